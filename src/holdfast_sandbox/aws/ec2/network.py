"""VPCs, subnets, gateways and links: what moto accepts and AWS would not."""

from typing import Any

from moto.ec2.models.elastic_network_interfaces import NetworkInterface

from holdfast_sandbox.aws import catalogue
from holdfast_sandbox.aws.ec2 import quotas
from holdfast_sandbox.aws.ec2.ask import Ask
from holdfast_sandbox.aws.ec2.backend import Segment
from holdfast_sandbox.aws.ec2.dependants import group_of
from holdfast_sandbox.aws.ec2.tags import of_kind
from holdfast_sandbox.aws.errors import AwsError, Gap


def check_vpc(ask: Ask) -> None:
    """CreateVpc: IPv4 of one's own choice, room for one more."""
    quotas.check_vpcs(ask)
    if not ask.text("CidrBlock") or ask.params.get("AmazonProvidedIpv6CidrBlock"):
        raise Gap("UnsupportedOperation", "Only VPCs with an IPv4 CidrBlock are emulated.")


def check_subnet(ask: Ask) -> None:
    """CreateSubnet: a zone of this region; the first is taken if none is named."""
    quotas.check_subnets(ask, ask.text("VpcId"))
    zones = catalogue.zones(ask.call.region)
    if ask.text("AvailabilityZoneId"):
        wanted = ask.text("AvailabilityZoneId")
        zone = next((name for name, number in zones.items() if number == wanted), wanted)
        ask.params.pop("AvailabilityZoneId")
        ask.params["AvailabilityZone"] = zone
    zone = ask.text("AvailabilityZone") or sorted(zones)[0]
    if zone not in zones:
        raise AwsError(
            "InvalidParameterValue",
            f"Value ({zone}) for parameter availabilityZone is invalid. Subnets can currently "
            f"only be created in the following availability zones: {', '.join(sorted(zones))}.",
        )
    ask.params["AvailabilityZone"] = zone


def after_subnet(ask: Ask) -> None:
    """moto takes the first subnet of a zone for a default one: ours never are."""
    for subnet in ask.backend.describe_subnets():
        vpc = ask.backend.vpcs.get(subnet.vpc_id)
        if vpc is not None and not vpc.is_default and subnet.default_for_az:
            subnet.default_for_az = False
            subnet.map_public_ip_on_launch = False


def check_gateway(_: Ask) -> None:
    """CreateInternetGateway: room for one more."""
    quotas.check_gateways(_)


def create_link(ask: Ask) -> dict[str, Any]:
    """CreateNetworkInterface: a free address, groups of the same VPC."""
    subnet = ask.backend.get_subnet(ask.text("SubnetId"))
    assert isinstance(subnet, Segment)
    if ask.items("PrivateIpAddresses") or ask.params.get("SecondaryPrivateIpAddressCount"):
        raise Gap("UnsupportedOperation", "Secondary addresses are not emulated.")
    address = ask.text("PrivateIpAddress")
    if address:
        subnet.check_address(address)
    for name in ask.items("Groups"):
        if group_of(ask.backend, str(name)).vpc_id != subnet.vpc_id:
            raise AwsError(
                "InvalidGroup.NotFound", f"The security group '{name}' is of another VPC"
            )
    nic = ask.backend.create_network_interface(
        subnet,
        address or None,
        group_ids=ask.items("Groups"),
        description=ask.text("Description"),
        tags=of_kind(ask.params, "network-interface"),
    )
    return {"NetworkInterface": nic, "ClientToken": ask.params.get("ClientToken")}


def check_link_attach(ask: Ask) -> None:
    """AttachNetworkInterface: a free link to a machine of the same zone."""
    nic: NetworkInterface = ask.backend.get_network_interface(ask.text("NetworkInterfaceId"))
    machine = ask.backend.machine(ask.text("InstanceId"))
    if nic.attachment_id:
        raise AwsError("InvalidNetworkInterface.InUse", f"Interface: [{nic.id}] in use.")
    if nic.subnet.availability_zone != machine.availability_zone:
        raise AwsError(
            "InvalidParameterCombination",
            f"Interface {nic.id} is not in the zone of instance {machine.id}",
        )
    raise Gap("UnsupportedOperation", "A second link of a machine is not emulated.")


def check_link_groups(ask: Ask) -> None:
    """ModifyNetworkInterfaceAttribute: groups of the link's own VPC."""
    nic = ask.backend.get_network_interface(ask.text("NetworkInterfaceId"))
    for name in ask.items("Groups"):
        if group_of(ask.backend, str(name)).vpc_id != nic.subnet.vpc_id:
            raise AwsError(
                "InvalidGroup.NotFound", f"The security group '{name}' is of another VPC"
            )


def after_link_groups(ask: Ask) -> None:
    """A machine's groups are those of its first link, and so is the source check."""
    nic = ask.backend.get_network_interface(ask.text("NetworkInterfaceId"))
    machine: Any = nic.instance
    if machine is not None and machine.nics.get(0) is nic:
        if ask.items("Groups"):
            machine.security_groups = [group_of(ask.backend, g) for g in ask.items("Groups")]
        machine.source_dest_check = nic.source_dest_check


def check_route(ask: Ask) -> None:
    """CreateRoute: the target must exist and be of the same VPC."""
    table = ask.backend.get_route_table(ask.text("RouteTableId"))
    name = ask.text("NatGatewayId")
    if name:
        gateway = ask.backend.nat_gateways.get(name)
        if gateway is None or gateway.state in ("deleting", "deleted"):
            raise AwsError(
                "InvalidNatGatewayID.NotFound", f"The natGateway ID '{name}' does not exist"
            )
    name = ask.text("GatewayId")
    if name.startswith("igw-"):
        internet = ask.backend.get_internet_gateway(name)
        if internet.vpc is None or internet.vpc.id != table.vpc_id:
            raise AwsError(
                "InvalidParameterValue",
                f"route table {table.id} and network gateway {name} belong to different networks",
            )
    for other in (
        "TransitGatewayId",
        "VpcPeeringConnectionId",
        "CarrierGatewayId",
        "VpcEndpointId",
    ):
        if ask.text(other):
            raise Gap("UnsupportedOperation", f"Routes with {other} are not emulated.")
