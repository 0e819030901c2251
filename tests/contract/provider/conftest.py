"""The sides of the provider contract: a cloud behind a provider, and a hand that reaches past it.

Today one side: AWS by the sandbox's emulator over HTTP, with the key that the least-privilege
policy describes. A cloud joins by one more `Side` and its name in `SIDES`.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from holdfast_sandbox.aws.emulator import Emulator, EmulatorSettings, Keys
from holdfast_sandbox.aws.faults import Fault
from holdfast_sandbox.aws.server import Server
from holdfast_sandbox.aws.simulated import SimulatedMachines

from holdfast.clock import SystemClock
from holdfast.model import names
from holdfast.model.ids import ClusterId, InstallationId, MachineId, ProviderId, ResourceName
from holdfast.model.observed import Blind, Foreign, Life, Seen
from holdfast.model.offering import CapacityType, Cloud, OfferingKey
from holdfast.model.resource import Resource, Role, VirtualMachine, needs
from holdfast.model.spec import CloudSpec
from holdfast.planner import desired
from holdfast.providers import errors
from holdfast.providers.aws.permissions import policy
from holdfast.providers.connect import Connections, Endpoints
from holdfast.providers.port import Creation, Provider, Scope

INSTALLATION = InstallationId("11111111-1111-4111-8111-111111111111")
CLUSTER = ClusterId("22222222-2222-4222-8222-222222222222")
ACCOUNT = "123456789012"
REGION = "eu-central-1"
ZONE = "eu-central-1a"
SIDES = ("aws",)

Things = dict[ResourceName, Seen]


def machine_id(number: int) -> MachineId:
    return MachineId(f"{number:08d}-3333-4333-8333-333333333333")


class Door:
    """One server for all tests; each test puts its own emulator behind it."""

    def __init__(self) -> None:
        self.target: Callable[..., Any] | None = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        assert self.target is not None
        return self.target(environ, start_response)


@dataclass
class Side:
    """A provider, the cloud that it talks to, and one cluster's things there."""

    cloud: Cloud
    emulator: Emulator
    machines: SimulatedMachines
    url: str
    keys: Keys
    connections: Connections
    scope: Scope
    image: str = ""
    payload: bytes = b"#cloud-config\n"
    extra: dict[ResourceName, Resource] = field(default_factory=dict)

    @property
    def provider(self) -> Provider:
        return self.connections.provider(
            self.cloud,
            {"accessKeyId": self.keys.access_key, "secretAccessKey": self.keys.secret_key},
        )

    # What shall be there

    def wanted(self, workers: int = 1, *, spot: bool = False) -> dict[ResourceName, Resource]:
        """Everything that the planner wants of a cluster with one control plane."""
        cloud_spec = CloudSpec(self.cloud, "", REGION, desired.IPv4Network("10.10.0.0/16"))  # type: ignore[arg-type]
        made = [*desired._network(cloud_spec, {ZONE}), *desired._firewall(self.cloud)]
        first = self.machine(0, Role.CONTROL_PLANE)
        made += [first, *(self.machine(n + 1, spot=spot) for n in range(workers))]
        address = desired.endpoint_name(self.cloud)
        made.append(desired.Address(address))
        binding = desired.name(self.cloud, "address-binding", "endpoint")
        made.append(desired.AddressBinding(binding, address, first.name))
        return {resource.name: resource for resource in made}

    def machine(
        self, number: int, role: Role = Role.WORKER, *, spot: bool = False
    ) -> VirtualMachine:
        market = CapacityType.SPOT if spot else CapacityType.ON_DEMAND
        return VirtualMachine(
            name=names.machine(self.cloud, machine_id(number)),
            machine=machine_id(number),
            hostname=f"demo-{number}",
            role=role,
            offering=OfferingKey(self.cloud, REGION, ZONE, "t3a.medium", market),
            image=self.image,
            disk_gib=20,
            subnet=desired.name(self.cloud, "subnet", ZONE),
            groups=(desired.group_name(self.cloud, role),),
            machine_role=desired.name(self.cloud, "role", role.value),
        )

    # What the platform's pass does, in its simplest form

    async def see(self) -> Sequence[Seen | Blind | Foreign]:
        return await self.provider.observe(self.scope, self.scope.cluster)

    async def things(self) -> Things:
        """Living things by name; asserts that nothing is blind and no name is there twice."""
        seen = await self.see()
        assert [one for one in seen if isinstance(one, Blind)] == []
        living = [one for one in seen if isinstance(one, Seen) and one.life is not Life.GONE]
        found = {one.resource.name: one for one in living}
        assert len(found) == len(living), "a thing is there twice"
        return found

    async def foreign(self) -> list[Foreign]:
        return [one for one in await self.see() if isinstance(one, Foreign)]

    async def make(self, resource: Resource, seen: Things, token: str = "") -> None:
        payload = self.payload if isinstance(resource, VirtualMachine) else None
        known = {name: one.id for name, one in seen.items()}
        key = token or f"token-{resource.name}"[: names.TOKEN_LENGTH]
        await self.provider.create(self.scope, Creation(resource, key, known, payload))

    async def build(
        self, wanted: Mapping[ResourceName, Resource], *, errors_at_most: int = 0
    ) -> Things:
        """Create what is wanted, each thing when its needs are there; returns all of it."""
        refused: list[errors.ProviderError] = []
        for _ in range(30):
            self.settle()
            seen = await self.things()
            present = {name for name, one in seen.items() if one.life is Life.PRESENT}
            if wanted.keys() <= present:
                return seen
            for resource in wanted.values():
                if resource.name not in seen and needs(resource) <= present:
                    try:
                        await self.make(resource, seen)
                    except errors.ProviderError as error:
                        refused.append(error)
            assert len(refused) <= errors_at_most, refused
        raise AssertionError(f"not built: {sorted(wanted.keys() - present)}; {refused}")

    async def tear_down(self) -> None:
        """Delete everything, each thing when nothing needs it any more."""
        for _ in range(30):
            self.settle()
            seen = await self.things()
            if not seen:
                return
            for name, one in seen.items():
                if one.life is not Life.LEAVING and not any(
                    name in needs(other.resource) for other in seen.values()
                ):
                    try:
                        await self.provider.delete(self.scope, one)
                    except errors.DependencyHeld:
                        continue
        raise AssertionError(f"not gone: {sorted(seen)}")

    # Past the platform

    def settle(self) -> None:
        """Let the cloud finish what is under way."""
        self.machines.settle(self.emulator)

    def living(self, cluster: ClusterId = CLUSTER) -> list[dict[str, Any]]:
        """What the cloud itself says is there with the cluster's tag."""
        return self.emulator.truth(names.TAG_CLUSTER, cluster)

    def changes(self) -> int:
        """How many mutating calls the cloud has counted."""
        return len(self.emulator.record.entries)

    def fault(self, fault: Fault) -> str:
        return self.emulator.faults.add(fault)

    def stranger(self, service: str = "ec2") -> Any:
        """The SDK in another person's hands, in the same account."""
        keys = self.emulator.add_account(ACCOUNT)  # a second key of the first user
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id=keys.access_key,
            aws_secret_access_key=keys.secret_key,
        )


@pytest.fixture(scope="session")
def door() -> Iterator[tuple[Door, Server]]:
    opened = Door()
    with Server(opened, 0) as server:  # type: ignore[arg-type]
        yield opened, server


@pytest.fixture
def settings() -> EmulatorSettings:
    """How the cloud behaves; a test overrides it by its own fixture of this name."""
    return EmulatorSettings(profile_delay=timedelta(0))


def least_policy() -> dict[str, Any]:
    """The policy as documented. The sandbox does not tell SSM parameters apart: "*" there."""
    document = policy()
    images = {"Effect": "Allow", "Action": "ssm:GetParameters", "Resource": "*"}
    return {**document, "Statement": [*document["Statement"], images]}


@pytest.fixture(params=SIDES)
def side(
    request: pytest.FixtureRequest, door: tuple[Door, Server], settings: EmulatorSettings
) -> Iterator[Side]:
    opened, server = door
    machines = SimulatedMachines()
    emulator = Emulator(settings, machines, lambda: datetime.now(UTC), seed=1)
    opened.target = emulator.wsgi
    keys = emulator.add_account(ACCOUNT, policy=least_policy())
    connections = Connections(Endpoints(aws=server.url), SystemClock())
    scope = Scope(INSTALLATION, CLUSTER, "Demo", REGION, (("team", "shop"),))
    made = Side(Cloud.AWS, emulator, machines, server.url, keys, connections, scope)
    made.image = _image(made)
    yield made
    connections.close()
    assert emulator.record.gaps == [], "the provider asked for what the sandbox does not have"


def _image(side: Side) -> str:
    found = side.stranger().describe_images(Filters=[{"Name": "architecture", "Values": ["x86_64"]}])
    return str(sorted(image["ImageId"] for image in found["Images"])[0])


def other_cluster(scope: Scope) -> Scope:
    """The same installation, another cluster."""
    return replace(scope, cluster=ClusterId("99999999-2222-4222-8222-222222222222"))


def thing_id(seen: Things, *parts: str) -> ProviderId:
    return seen[desired.name(Cloud.AWS, *parts)].id


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)
