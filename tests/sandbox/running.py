"""A sandbox in a process of its own, as people start it, for tests to talk to and to end."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

REGION = "eu-central-1"
READY_SECONDS = 60
SOON_SECONDS = 30
IMAGE = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"


def serve(state: Path, *flags: str) -> subprocess.Popen[str]:
    """Start `serve` in the background."""
    command = [sys.executable, "-m", "holdfast_sandbox", "serve", "--state", str(state), *flags]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


@contextmanager
def starting() -> Iterator[Callable[..., "Sandbox"]]:
    """Gives what starts sandboxes; those that still run at the end are stopped."""
    started: list[Sandbox] = []

    def start(state: Path, *flags: str) -> Sandbox:
        started.append(Sandbox(state, *flags))
        return started[-1]

    try:
        yield start
    finally:
        for sandbox in started:
            sandbox.stop()


def until(holds: Callable[[], bool], what: str, seconds: float = SOON_SECONDS) -> float:
    """Wait for a condition; returns the seconds that it took."""
    start = time.monotonic()
    while not holds():
        assert time.monotonic() - start < seconds, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - start


@dataclass(frozen=True, slots=True)
class Network:
    """A VPC with one public subnet and an open group."""

    vpc: str
    subnet: str
    group: str


class Sandbox:
    """One running sandbox."""

    def __init__(self, state: Path, *flags: str) -> None:
        self.state = state
        self.process = serve(state, *flags)
        self.ready: dict[str, Any] = {}
        until(self._is_ready, "sandbox.json", READY_SECONDS)

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self.process.communicate()[1]
        try:
            self.ready = json.loads((self.state / "sandbox.json").read_text())
        except FileNotFoundError:
            return False
        return bool(self.ready["pid"] == self.process.pid)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it with a signal; returns its exit code."""
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        self.process.communicate(timeout=SOON_SECONDS)
        return self.process.returncode

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """A request to the control API."""
        port = int(self.ready["control"].rpartition(":")[2])
        connection = HTTPConnection("127.0.0.1", port, timeout=SOON_SECONDS)
        headers = {"Authorization": f"Bearer {self.ready['control_token']}"}
        data = b"" if body is None else json.dumps(body).encode()
        connection.request(method, path, data, headers)
        answer = connection.getresponse()
        told = json.loads(answer.read())
        connection.close()
        return answer.status, told

    def told(self, method: str, path: str, body: object = None) -> Any:
        """As `ask`, for requests that must be served."""
        status, told = self.ask(method, path, body)
        assert status == 200, told
        return told

    def client(self, service: str, keys: Mapping[str, str] | None = None) -> Any:
        """An SDK client."""
        given = keys or self.ready["credentials"]
        return boto3.client(
            service,  # type: ignore[call-overload]
            region_name=REGION,
            endpoint_url=self.ready["aws"],
            aws_access_key_id=given["accessKeyId"],
            aws_secret_access_key=given["secretAccessKey"],
            config=Config(retries={"total_max_attempts": 1}, read_timeout=SOON_SECONDS),
        )

    @property
    def ec2(self) -> "EC2Client":
        """The EC2 client of the first account."""
        client: EC2Client = self.client("ec2")
        return client

    def network(self) -> Network:
        """Make a network whose machines have public addresses."""
        ec2 = self.ec2
        vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.7.1.0/24")["Subnet"]["SubnetId"]
        group = ec2.create_security_group(VpcId=vpc, GroupName="g", Description="g")["GroupId"]
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        mine = [{"Name": "vpc-id", "Values": [vpc]}]
        table = ec2.describe_route_tables(Filters=mine)["RouteTables"][0]["RouteTableId"]  # type: ignore[arg-type]
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
        return Network(vpc, subnet, group)

    def launch(
        self, network: Network, count: int = 1, user_data: str = "", **more: Any
    ) -> list[str]:
        """RunInstances; returns the ids."""
        image = self.client("ssm").get_parameter(Name=IMAGE)["Parameter"]["Value"]
        nic = {
            "DeviceIndex": 0,
            "SubnetId": network.subnet,
            "Groups": [network.group],
            "AssociatePublicIpAddress": True,
        }
        answer = self.ec2.run_instances(
            ImageId=image,
            InstanceType="t3.medium",
            MinCount=count,
            MaxCount=count,
            UserData=user_data,
            MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
            NetworkInterfaces=[nic],  # type: ignore[list-item]
            **more,
        )
        return [instance["InstanceId"] for instance in answer["Instances"]]

    def states(self, ids: Sequence[str] = ()) -> dict[str, tuple[str, str]]:
        """State and reason by instance id."""
        listed = self.ec2.describe_instances(InstanceIds=list(ids))["Reservations"]
        return {
            one["InstanceId"]: (one["State"]["Name"], one.get("StateReason", {}).get("Message", ""))
            for reservation in listed
            for one in reservation["Instances"]
        }

    def until_state(self, ids: Sequence[str], state: str) -> float:
        """Wait until all are in a state; returns the seconds that it took."""

        def reached() -> bool:
            return all(found == state for found, _ in self.states(ids).values())

        return until(reached, f"{', '.join(ids)} {state}")

    def until_saved(self) -> None:
        """Wait until all that was done before is on the disk.

        Two saves: the first one seen may have been taken before the last change.
        """
        path = self.state / "cloud.snapshot"
        for _ in range(2):
            before = path.stat().st_mtime_ns if path.exists() else 0
            vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
            tag = {"Key": "saved", "Value": str(before)}
            self.ec2.create_tags(Resources=[vpc], Tags=[tag])  # type: ignore[list-item]
            until(lambda: path.exists() and path.stat().st_mtime_ns > before, "a save")  # noqa: B023
