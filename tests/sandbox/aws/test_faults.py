"""Faults on the wire: lost, slow, broken, away."""

import time
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError
from tests.sandbox.aws.conftest import Cloud, Network, code_of, launch, refusal

from holdfast_sandbox.aws.faults import Fault, Kind

LOST = ConnectionClosedError


def vpcs(cloud: Cloud) -> int:
    return sum(thing["kind"] == "vpc" for thing in cloud.emulator.truth())


def test_a_lost_request_has_no_effect(cloud: Cloud) -> None:
    cloud.emulator.faults.add(Fault(Kind.LOST_REQUEST, action="CreateVpc", count=1))
    with pytest.raises(LOST):
        cloud.ec2.create_vpc(CidrBlock="10.0.0.0/16")
    assert vpcs(cloud) == 0
    last = cloud.emulator.record.entries[-1]
    assert (last.action, last.applied) == ("CreateVpc", False)


def test_a_lost_response_has_its_effect(cloud: Cloud) -> None:
    cloud.emulator.faults.add(Fault(Kind.LOST_RESPONSE, action="CreateVpc", count=1))
    with pytest.raises(LOST):
        cloud.ec2.create_vpc(CidrBlock="10.0.0.0/16")
    assert vpcs(cloud) == 1
    assert cloud.emulator.record.entries[-1].applied


def test_a_token_settles_a_lost_response(cloud: Cloud, network: Network) -> None:
    cloud.emulator.faults.add(Fault(Kind.LOST_RESPONSE, action="RunInstances", count=1))
    with pytest.raises(LOST):
        launch(cloud, network, ClientToken="t")
    name = launch(cloud, network, ClientToken="t")[0]["InstanceId"]
    assert list(cloud.machines.known) == [name]


def test_a_delay_is_felt_and_holds_up_nobody_else(cloud: Cloud) -> None:
    waits: list[float] = []
    cloud.emulator.wsgi.sleep = waits.append
    cloud.emulator.faults.add(Fault(Kind.DELAY, action="DescribeVpcs", value=3, count=1))
    cloud.ec2.describe_subnets()
    start = time.monotonic()
    cloud.ec2.describe_vpcs()
    assert waits == [3]
    assert time.monotonic() - start < 3


def test_an_outage_is_of_one_region_and_service(cloud: Cloud) -> None:
    cloud.emulator.faults.add(Fault(Kind.OUTAGE, region="eu-central-1", service="ec2"))
    assert refusal(cloud.ec2.describe_vpcs) == ("Unavailable", 503)
    assert code_of(cloud.ec2.create_vpc, CidrBlock="10.0.0.0/16") == "Unavailable"
    cloud.client("ec2", "us-east-1").describe_vpcs()
    cloud.client("sts").get_caller_identity()
    cloud.emulator.faults.clear()
    cloud.ec2.describe_vpcs()


@pytest.mark.parametrize("subject", ["10.1.0.0/16", "10.1.*"])
def test_an_error_strikes_its_subject_only(cloud: Cloud, subject: str) -> None:
    fault: Any = Fault(
        Kind.ERROR, action="CreateVpc", subject=subject, code="InternalError", status=500
    )
    cloud.emulator.faults.add(fault)
    assert refusal(cloud.ec2.create_vpc, CidrBlock="10.1.0.0/16") == ("InternalError", 500)
    cloud.ec2.create_vpc(CidrBlock="10.2.0.0/16")
    assert vpcs(cloud) == 1


def test_a_fault_of_one_account_spares_the_others(cloud: Cloud) -> None:
    other = cloud.emulator.add_account("222222222222")
    cloud.emulator.faults.add(Fault(Kind.OUTAGE, account="222222222222"))
    assert code_of(cloud.client("ec2", keys=other).describe_vpcs) == "Unavailable"
    cloud.ec2.describe_vpcs()
