"""Every kind of thing that AWS can list: the call, its result, its ids. Data for all that asks."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind is listed.

    action, result  "DescribeVpcs", "Vpcs"
    identity        the field of an answer that holds its id
    by_id           the parameter that names things by id
    word            for people
    page            the largest page; None for a listing without pages
    """

    action: str
    result: str
    identity: str
    by_id: str
    word: str
    page: int | None = 1000


NETWORK = Kind("DescribeVpcs", "Vpcs", "VpcId", "VpcIds", "network")
SUBNET = Kind("DescribeSubnets", "Subnets", "SubnetId", "SubnetIds", "subnet")
GATEWAY = Kind(
    "DescribeInternetGateways",
    "InternetGateways",
    "InternetGatewayId",
    "InternetGatewayIds",
    "gateway",
)
TABLE = Kind(
    "DescribeRouteTables", "RouteTables", "RouteTableId", "RouteTableIds", "route table", 100
)
GROUP = Kind("DescribeSecurityGroups", "SecurityGroups", "GroupId", "GroupIds", "firewall group")
RULE = Kind(
    "DescribeSecurityGroupRules",
    "SecurityGroupRules",
    "SecurityGroupRuleId",
    "SecurityGroupRuleIds",
    "firewall rule",
)
ADDRESS = Kind(
    "DescribeAddresses", "Addresses", "AllocationId", "AllocationIds", "address", page=None
)
INSTANCE = Kind("DescribeInstances", "Reservations", "InstanceId", "InstanceIds", "virtual machine")
LINK = Kind(
    "DescribeNetworkInterfaces",
    "NetworkInterfaces",
    "NetworkInterfaceId",
    "NetworkInterfaceIds",
    "network interface",
)
NAT = Kind("DescribeNatGateways", "NatGateways", "NatGatewayId", "NatGatewayIds", "NAT gateway")

# By the first part of an id: "vpc-0abc" is a network.
BY_PREFIX: Mapping[str, Kind] = {
    "vpc": NETWORK,
    "subnet": SUBNET,
    "igw": GATEWAY,
    "rtb": TABLE,
    "sg": GROUP,
    "sgr": RULE,
    "eipalloc": ADDRESS,
    "i": INSTANCE,
    "eni": LINK,
}


def of(thing_id: str) -> Kind | None:
    """The kind that an id belongs to; None for ids of kinds that we never make."""
    return BY_PREFIX.get(thing_id.partition("-")[0])
