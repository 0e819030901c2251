"""The Describe actions of EC2: for each its things and the filters that AWS documents for them."""

# ruff: noqa: SLF001 - the fields of moto's models are private to them

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

from holdfast_sandbox.aws.ec2.backend import Backend
from holdfast_sandbox.aws.ec2.fields import NIC_FILTERS, attribute, named, stamp
from holdfast_sandbox.aws.ec2.listing import Field, Listing


def _groups(backend: Backend) -> Iterable[Any]:
    return chain.from_iterable(groups.values() for groups in backend.groups.values())


def _rules(backend: Backend) -> Iterable[Any]:
    """Rules as DescribeSecurityGroupRules shows them: ports are -1 where they mean nothing."""
    return backend.describe_security_group_rules([], {})


def _permissions(direction: str) -> dict[str, Field]:
    prefix = "egress." if direction == "egress_rules" else ""

    def of(read: Field) -> Field:
        return lambda group: [read(rule) for rule in getattr(group, direction)]

    return {
        f"{prefix}ip-permission.cidr": of(attribute("cidr_ipv4")),
        f"{prefix}ip-permission.from-port": of(attribute("from_port")),
        f"{prefix}ip-permission.to-port": of(attribute("to_port")),
        f"{prefix}ip-permission.protocol": of(attribute("ip_protocol")),
        f"{prefix}ip-permission.group-id": of(lambda rule: rule.source_group.get("GroupId")),
    }


def _subnets(backend: Backend) -> Iterable[Any]:
    return chain.from_iterable(subnets.values() for subnets in backend.subnets.values())


def _targets(name: str) -> Field:
    return lambda table: [attribute(name)(route) for route in table.routes]


LISTINGS: Mapping[str, Listing] = {
    "DescribeVpcs": Listing(
        "Vpcs",
        lambda b: b.vpcs.values(),
        {
            **named(
                vpc_id="id",
                cidr="cidr_block",
                cidr_block="cidr_block",
                state="state",
                is_default="is_default",
                dhcp_options_id="dhcp_options_id",
                owner_id="owner_id",
            ),
            "cidr-block-association.cidr-block": lambda vpc: [
                item["cidr_block"] for item in vpc.cidr_block_association_set
            ],
            "isDefault": attribute("is_default"),
        },
        ids="VpcIds",
        missing="InvalidVpcID.NotFound",
    ),
    "DescribeSubnets": Listing(
        "Subnets",
        _subnets,
        {
            **named(
                subnet_id="id",
                vpc_id="vpc_id",
                cidr="cidr_block",
                cidr_block="cidr_block",
                availability_zone="availability_zone",
                availability_zone_id="availability_zone_id",
                state="state",
                default_for_az="default_for_az",
                available_ip_address_count="available_ip_address_count",
                owner_id="owner_id",
                subnet_arn="arn",
            ),
            "map-public-ip-on-launch": attribute("map_public_ip_on_launch"),
        },
        ids="SubnetIds",
        missing="InvalidSubnetID.NotFound",
    ),
    "DescribeInternetGateways": Listing(
        "InternetGateways",
        lambda b: b.internet_gateways.values(),
        {
            **named(internet_gateway_id="id", owner_id="owner_id"),
            "attachment.vpc-id": attribute("vpc.id"),
            "attachment.state": lambda gateway: "available" if gateway.vpc else None,
        },
        ids="InternetGatewayIds",
        missing="InvalidInternetGatewayID.NotFound",
    ),
    "DescribeRouteTables": Listing(
        "RouteTables",
        lambda b: b.route_tables.values(),
        {
            **named(route_table_id="id", vpc_id="vpc_id", owner_id="owner_id"),
            "association.main": lambda table: table.main_association_id is not None,
            "association.route-table-id": attribute("id"),
            "association.route-table-association-id": attribute("all_associations_ids"),
            "association.subnet-id": lambda table: list(table._associations.values()),
            "route.destination-cidr-block": _targets("destination_cidr_block"),
            "route.gateway-id": _targets("gateway.id"),
            "route.nat-gateway-id": _targets("nat_gateway.id"),
            "route.instance-id": _targets("instance.id"),
        },
        ids="RouteTableIds",
        missing="InvalidRouteTableID.NotFound",
        page=100,
    ),
    "DescribeSecurityGroups": Listing(
        "SecurityGroups",
        _groups,
        {
            **named(
                group_id="id",
                group_name="name",
                vpc_id="vpc_id",
                description="description",
                owner_id="owner_id",
            ),
            **_permissions("ingress_rules"),
            **_permissions("egress_rules"),
        },
        ids="GroupIds",
        missing="InvalidGroup.NotFound",
        extra={"GroupNames": lambda group: str(group.name)},
    ),
    "DescribeSecurityGroupRules": Listing(
        "SecurityGroupRules",
        _rules,
        named(group_id="group_id", security_group_rule_id="id"),
        ids="SecurityGroupRuleIds",
        missing="InvalidSecurityGroupRuleId.NotFound",
    ),
    "DescribeAddresses": Listing(
        "Addresses",
        lambda b: b.addresses,
        named(
            allocation_id="allocation_id",
            association_id="association_id",
            domain="domain",
            public_ip="public_ip",
            instance_id="instance.id",
            network_interface_id="eni.id",
            network_interface_owner_id="eni.owner_id",
            private_ip_address="eni.private_ip_address",
        ),
        ids="AllocationIds",
        missing="InvalidAllocationID.NotFound",
        extra={"PublicIps": lambda address: str(address.public_ip)},
        paged=False,
    ),
    "DescribeNetworkInterfaces": Listing(
        "NetworkInterfaces",
        lambda b: b.enis.values(),
        NIC_FILTERS,
        ids="NetworkInterfaceIds",
        missing="InvalidNetworkInterfaceID.NotFound",
    ),
    "DescribeNatGateways": Listing(
        "NatGateways",
        lambda b: b.nat_gateways.values(),
        named(nat_gateway_id="id", vpc_id="vpc_id", subnet_id="subnet_id", state="state"),
        ids="NatGatewayIds",
        missing="NatGatewayNotFound",
    ),
    "DescribeVolumes": Listing(
        "Volumes",
        lambda b: b.volumes.values(),
        {
            **named(
                volume_id="id",
                status="status",
                size="size",
                volume_type="volume_type",
                availability_zone="zone.name",
                snapshot_id="snapshot_id",
                encrypted="encrypted",
            ),
            "create-time": stamp("create_time"),
            "attachment.instance-id": attribute("attachment.instance.id"),
            "attachment.device": attribute("attachment.device"),
            "attachment.status": attribute("attachment.status"),
        },
        ids="VolumeIds",
        missing="InvalidVolume.NotFound",
    ),
}
