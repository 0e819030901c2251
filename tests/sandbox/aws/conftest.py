"""Builders for the emulator's contract tests: a cloud on loopback, met by the real boto3."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from holdfast_sandbox.aws.emulator import Emulator, EmulatorSettings, Keys
from holdfast_sandbox.aws.server import Server
from holdfast_sandbox.aws.simulated import SimulatedMachines

ACCOUNT = "123456789012"
REGION = "eu-central-1"
ZONE = "eu-central-1a"
UBUNTU = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
SESSION = boto3.Session()
NONE = timedelta(0)

_tokens = itertools.count()


@dataclass
class HandClock:
    """The time of day plus what the test adds."""

    ahead: timedelta = NONE

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def turn(self, **amount: float) -> None:
        self.ahead += timedelta(**amount)


@dataclass
class Cloud:
    """One emulator with its machines, its server and the first user's keys."""

    emulator: Emulator
    machines: SimulatedMachines
    clock: HandClock
    server: Server
    keys: Keys
    changes: list[None] = field(default_factory=list)
    clients: dict[tuple[str, str, str], Any] = field(default_factory=dict)

    def client(
        self, service: str, region: str = REGION, keys: Keys | None = None, **more: Any
    ) -> Any:
        keys = keys or self.keys
        place = (service, region, keys.access_key)
        if place in self.clients and not more:
            return self.clients[place]
        made = SESSION.client(  # type: ignore[call-overload]
            service,
            region_name=region,
            endpoint_url=self.server.url,
            aws_access_key_id=keys.access_key,
            aws_secret_access_key=keys.secret_key,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=20),
            **more,
        )
        self.clients[place] = made
        return made

    @property
    def ec2(self) -> Any:
        return self.client("ec2")

    def close(self) -> None:
        for client in self.clients.values():
            client.close()

    def settle(self) -> None:
        self.machines.settle(self.emulator)

    def image(self) -> str:
        found = self.client("ssm").get_parameter(Name=UBUNTU)
        return str(found["Parameter"]["Value"])


@dataclass
class Network:
    """A VPC with one public subnet and one group."""

    vpc: str
    subnet: str
    group: str
    gateway: str
    table: str


def make_network(cloud: Cloud, cidr: str = "10.7.0.0/16") -> Network:
    ec2 = cloud.ec2
    vpc = ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
    first = cidr.rsplit(".", 2)[0]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=f"{first}.1.0/24", AvailabilityZone=ZONE)
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    ec2.associate_route_table(RouteTableId=table, SubnetId=subnet["Subnet"]["SubnetId"])
    group = ec2.create_security_group(GroupName="nodes", Description="d", VpcId=vpc)["GroupId"]
    return Network(vpc, subnet["Subnet"]["SubnetId"], group, gateway, table)


def launch(cloud: Cloud, network: Network, **more: Any) -> list[dict[str, Any]]:
    """RunInstances with plain parameters; returns the instances of the answer."""
    wanted: dict[str, Any] = {
        "ImageId": cloud.image(),
        "InstanceType": "t3.medium",
        "MinCount": 1,
        "MaxCount": 1,
        "ClientToken": f"token-{next(_tokens)}",
    }
    if "NetworkInterfaces" not in more:
        wanted |= {"SubnetId": network.subnet, "SecurityGroupIds": [network.group]}
    answer = cloud.ec2.run_instances(**(wanted | more))
    found: list[dict[str, Any]] = answer["Instances"]
    return found


def running(cloud: Cloud, network: Network, **more: Any) -> str:
    """The id of one machine that has booted."""
    name = str(launch(cloud, network, **more)[0]["InstanceId"])
    cloud.settle()
    return name


def instance(cloud: Cloud, name: str) -> dict[str, Any]:
    """One instance as DescribeInstances shows it."""
    found = cloud.ec2.describe_instances(InstanceIds=[name])
    shown: dict[str, Any] = found["Reservations"][0]["Instances"][0]
    return shown


def refusal(call: Callable[..., Any], **params: Any) -> tuple[str, int]:
    """(code, HTTP status) of the error that a call must end with."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    answer: Any = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def code_of(call: Callable[..., Any], **params: Any) -> str:
    return refusal(call, **params)[0]


@pytest.fixture
def a_cloud() -> Iterator[Callable[..., Cloud]]:
    """Makes a cloud; settings by name."""
    with ExitStack() as stack:

        def make(**settings: Any) -> Cloud:
            plain = {"profile_delay": NONE, "nat_delay": NONE, "status_delay": NONE}
            chosen = EmulatorSettings(
                **{**plain, "clock_tolerance": timedelta(days=999), **settings}
            )
            machines, clock, changes = SimulatedMachines(), HandClock(), list[None]()
            emulator = Emulator(chosen, machines, clock, 7, lambda: changes.append(None))
            keys = emulator.add_account(ACCOUNT)
            server = stack.enter_context(emulator.serve())
            made = Cloud(emulator, machines, clock, server, keys, changes)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def cloud(a_cloud: Callable[..., Cloud]) -> Cloud:
    return a_cloud()


@pytest.fixture
def network(cloud: Cloud) -> Network:
    return make_network(cloud)
