"""Service quotas: their codes and values, and the checks against what the account runs now."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from holdfast_sandbox.aws import catalogue
from holdfast_sandbox.aws.ec2.ask import Ask
from holdfast_sandbox.aws.errors import AwsError
from holdfast_sandbox.aws.faults import Facts, Kind
from holdfast_sandbox.aws.world import World

ON_DEMAND, SPOT = "L-1216C47A", "L-34B43A08"
ADDRESSES, VPCS, GATEWAYS = "L-0263D0A3", "L-F678F1CE", "L-A4707A72"
RULES, GROUPS, NICS = "L-0EA8095F", "L-E79EC296", "L-DF5E4CA3"
NATS, SUBNETS = "L-FE5A380F", "L-407747CB"


@dataclass(frozen=True, slots=True)
class Quota:
    """A quota as Service Quotas describes it."""

    code: str
    name: str
    service: str


QUOTAS: Mapping[str, Quota] = {
    quota.code: quota
    for quota in (
        Quota(ON_DEMAND, "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", "ec2"),
        Quota(SPOT, "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", "ec2"),
        Quota(ADDRESSES, "EC2-VPC Elastic IPs", "ec2"),
        Quota(VPCS, "VPCs per Region", "vpc"),
        Quota(GATEWAYS, "Internet gateways per Region", "vpc"),
        Quota(RULES, "Inbound or outbound rules per security group", "vpc"),
        Quota(GROUPS, "VPC security groups per Region", "vpc"),
        Quota(NICS, "Network interfaces per Region", "vpc"),
        Quota(NATS, "NAT gateways per Availability Zone", "vpc"),
        Quota(SUBNETS, "Subnets per VPC", "vpc"),
    )
}


def value(world: World, code: str, account: str, region: str) -> float:
    """What the account may have: the setting, or what a quota fault says."""
    facts = Facts(account, region, type=code)
    fault = world.faults.find((Kind.QUOTA,), facts)
    return fault.value if fault else world.settings.quotas[code]


def _limit(ask: Ask, code: str) -> int:
    return int(value(ask.world, code, ask.call.account, ask.call.region))


def free_vcpus(ask: Ask, size: catalogue.MachineType, market: str, least: int) -> int:
    """vCPUs still free in the market. Raises AwsError if not even `least` machines fit."""
    used = sum(
        catalogue.types()[machine.instance_type].cpus
        for machine in ask.backend.machines()
        if machine.state in ("pending", "running", "stopping")
        and (machine.lifecycle == "spot") == (market == "spot")
    )
    limit = _limit(ask, SPOT if market == "spot" else ON_DEMAND)
    if used + least * size.cpus <= limit:
        return limit - used
    if market == "spot":
        raise AwsError("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
    raise AwsError(
        "VcpuLimitExceeded",
        f"You have requested more vCPU capacity than your current vCPU limit of {limit} allows "
        "for the instance bucket that the specified instance type belongs to.",
    )


def check_addresses(ask: Ask) -> None:
    """One more elastic address."""
    if len(ask.backend.addresses) >= _limit(ask, ADDRESSES):
        _exceeded("AddressLimitExceeded", "The maximum number of addresses has been reached.")


def check_vpcs(ask: Ask) -> None:
    """One more VPC."""
    if len(ask.backend.vpcs) >= _limit(ask, VPCS):
        _exceeded("VpcLimitExceeded", "The maximum number of VPCs has been reached.")


def check_gateways(ask: Ask) -> None:
    """One more internet gateway."""
    if len(ask.backend.internet_gateways) >= _limit(ask, GATEWAYS):
        text = "The maximum number of internet gateways has been reached."
        _exceeded("InternetGatewayLimitExceeded", text)


def check_groups(ask: Ask) -> None:
    """One more security group."""
    if sum(len(groups) for groups in ask.backend.groups.values()) >= _limit(ask, GROUPS):
        text = "The maximum number of security groups has been reached."
        _exceeded("SecurityGroupLimitExceeded", text)


def check_nats(ask: Ask, zone: str) -> None:
    """One more NAT gateway in a zone."""
    held = [
        nat
        for nat in ask.backend.nat_gateways.values()
        if nat.state in ("pending", "available")
        and ask.backend.get_subnet(nat.subnet_id).availability_zone == zone
    ]
    if len(held) >= _limit(ask, NATS):
        _exceeded("NatGatewayLimitExceeded", "The maximum number of NAT gateways has been reached.")


def check_subnets(ask: Ask, vpc: str) -> None:
    """One more subnet in a VPC."""
    held = [subnet for subnet in ask.backend.describe_subnets() if subnet.vpc_id == vpc]
    if len(held) >= _limit(ask, SUBNETS):
        _exceeded("SubnetLimitExceeded", "The maximum number of subnets has been reached.")


def check_rules(ask: Ask, held: int, more: int) -> None:
    """`more` rules in a group and direction that holds `held`."""
    if held + more > _limit(ask, RULES):
        text = "The maximum number of rules per security group has been reached."
        _exceeded("RulesPerSecurityGroupLimitExceeded", text)


def _exceeded(code: str, text: str) -> NoReturn:
    raise AwsError(code, text)
