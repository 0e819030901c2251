"""The sides of the provider contract: AWS by the sandbox's emulator over HTTP, and the simulation.

The key for AWS has exactly the least-privilege policy that the documentation tells users to give.
A cloud joins by its name in `SIDES`.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.contract.provider.side import ACCOUNT, CLUSTER, INSTALLATION, REGION, Side
from tests.contract.provider.sim_side import SimSide

from holdfast.clock import SystemClock
from holdfast.model.offering import Cloud
from holdfast.providers.aws.permissions import policy
from holdfast.providers.connect import Connections, Endpoints
from holdfast.providers.port import Scope
from holdfast_sandbox.aws.accounts import add_user
from holdfast_sandbox.aws.emulator import Emulator, EmulatorSettings
from holdfast_sandbox.aws.server import Server
from holdfast_sandbox.aws.simulated import SimulatedMachines

SIDES = ("aws", "sim")


class Door:
    """One server for all tests; each test puts its own emulator behind it."""

    def __init__(self) -> None:
        self.target: Callable[..., Any] = lambda *_: []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        return self.target(environ, start_response)


@pytest.fixture(scope="session")
def door() -> Iterator[tuple[Door, Server]]:
    opened = Door()
    with Server(opened, 0) as server:  # type: ignore[arg-type]
        yield opened, server


@pytest.fixture
def settings() -> EmulatorSettings:
    """How the cloud behaves; a test has its own by parametrising this."""
    return EmulatorSettings(profile_delay=timedelta(0))


def least_policy() -> dict[str, Any]:
    """The policy as documented. The sandbox does not tell SSM parameters apart: "*" there."""
    document = policy()
    images = {"Effect": "Allow", "Action": "ssm:GetParameters", "Resource": "*"}
    return {**document, "Statement": [*document["Statement"], images]}


@pytest.fixture(params=SIDES)
def side(request: pytest.FixtureRequest) -> Side:
    made: Side = request.getfixturevalue(f"{request.param}_side")
    return made


@pytest.fixture
def sim_side() -> Side:
    return SimSide()


@pytest.fixture
def aws_side(door: tuple[Door, Server], settings: EmulatorSettings) -> Iterator[Side]:
    opened, server = door
    machines = SimulatedMachines()
    emulator = Emulator(settings, machines, lambda: datetime.now(UTC), seed=1)
    opened.target = emulator.wsgi
    keys = emulator.add_account(ACCOUNT, policy=least_policy())
    owner = add_user(ACCOUNT, "owner")
    connections = Connections(Endpoints(aws=server.url), SystemClock())
    scope = Scope(INSTALLATION, CLUSTER, "Demo", REGION, (("team", "shop"),))
    made = Side(Cloud.AWS, emulator, machines, server.url, keys, owner, connections, scope)
    made.image = _image(made)
    yield made
    connections.close()
    assert emulator.record.gaps == [], "the provider asked for what the sandbox does not have"


def _image(side: Side) -> str:
    kind = {"Name": "architecture", "Values": ["x86_64"]}
    images = side.stranger().describe_images(Filters=[kind])["Images"]
    return min(str(image["ImageId"]) for image in images)
