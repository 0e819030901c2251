"""What holds what: the refusals that make an order of deletion matter (rows H10-H18)."""

# ruff: noqa: SLF001 - the fields of moto's models are private to them

from collections.abc import Iterator
from typing import Any, NoReturn

from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.security_groups import SecurityGroup

from holdfast_sandbox.aws.ec2.ask import Ask
from holdfast_sandbox.aws.ec2.backend import Backend
from holdfast_sandbox.aws.ec2.instances import DYING
from holdfast_sandbox.aws.errors import AwsError


def _held(text: str) -> NoReturn:
    raise AwsError("DependencyViolation", text)


def nics_in(backend: Backend, *, subnet: str = "", vpc: str = "") -> list[NetworkInterface]:
    """The interfaces of a subnet or a VPC; machines, NAT gateways and balancers have some."""
    return [
        nic
        for nic in backend.enis.values()
        if subnet in ("", nic.subnet.id) and vpc in ("", nic.subnet.vpc_id)
    ]


def check_subnet(ask: Ask) -> None:
    """DeleteSubnet: nothing may have an address in it."""
    name = ask.text("SubnetId")
    ask.backend.get_subnet(name)
    if nics_in(ask.backend, subnet=name):
        _held(f"The subnet '{name}' has dependencies and cannot be deleted.")


def check_vpc(ask: Ask) -> None:
    """DeleteVpc: only its default group, ACL and main table may be left in it."""
    name = ask.text("VpcId")
    ask.backend.get_vpc(name)
    if any(_dependants(ask.backend, name)):
        _held(f"The vpc '{name}' has dependencies and cannot be deleted.")


def _dependants(backend: Backend, vpc: str) -> Iterator[Any]:
    yield from nics_in(backend, vpc=vpc)
    yield from (s for s in backend.describe_subnets() if s.vpc_id == vpc)
    yield from (g for g in backend.groups.get(vpc, {}).values() if not g.is_default)
    yield from (g for g in backend.internet_gateways.values() if g.vpc and g.vpc.id == vpc)
    yield from (t for t in backend.route_tables.values() if t.vpc_id == vpc and not is_main(t))
    yield from (e for e in backend.vpc_end_points.values() if e.vpc_id == vpc)
    yield from (
        n
        for n in backend.nat_gateways.values()
        if n.vpc_id == vpc and n.state not in ("deleted", "failed")
    )


def is_main(table: Any) -> bool:
    """Whether a route table is the main one of its VPC."""
    return table.main_association_id is not None


def group_of(backend: Backend, name: str) -> SecurityGroup:
    """A group by its id. Raises AwsError InvalidGroup.NotFound."""
    group = backend.get_security_group_from_id(name)
    if group is None:
        raise AwsError("InvalidGroup.NotFound", f"The security group '{name}' does not exist")
    return group


def check_group(ask: Ask) -> None:
    """DeleteSecurityGroup: not the default one, not in use, not named in another's rules."""
    if not ask.text("GroupId"):
        found = ask.backend.get_security_group_from_name(ask.text("GroupName"))
        ask.params["GroupId"] = found.id if found else ask.text("GroupName")
    group = group_of(ask.backend, ask.text("GroupId"))
    if group.is_default:
        raise AwsError(
            "CannotDelete",
            f'the specified group: "{group.id}" name: "default" cannot be deleted by a user',
        )
    if any(group in nic._group_set for nic in ask.backend.enis.values()):
        _held(f"resource {group.id} has a dependent object")
    others = (g for g in ask.backend.groups[str(group.vpc_id)].values() if g is not group)
    for other in others:
        rules = [*other.ingress_rules, *other.egress_rules]
        if any(rule.source_group.get("GroupId") == group.id for rule in rules):
            _held(f"resource {group.id} has a dependent object")


def check_nic(ask: Ask) -> None:
    """DeleteNetworkInterface: only a free one."""
    nic = ask.backend.get_network_interface(ask.text("NetworkInterfaceId"))
    if nic.status == "in-use" or nic.attachment_id:
        raise AwsError(
            "InvalidParameterValue", f"Network interface '{nic.id}' is currently in use."
        )


def check_gateway_attach(ask: Ask) -> None:
    """AttachInternetGateway: one per VPC."""
    vpc = ask.text("VpcId")
    for gateway in ask.backend.internet_gateways.values():
        if gateway.vpc is not None and gateway.vpc.id == vpc:
            raise AwsError(
                "InvalidParameterValue",
                f"Network {vpc} already has an internet gateway attached",
            )


def check_gateway_detach(ask: Ask) -> None:
    """DetachInternetGateway: no mapped public addresses may be left in the VPC."""
    vpc = ask.text("VpcId")
    if any(nic.public_ip for nic in nics_in(ask.backend, vpc=vpc)):
        _held(
            f"Network {vpc} has some mapped public address(es). Please unmap those public "
            "address(es) before detaching the gateway."
        )


def check_table(ask: Ask) -> None:
    """DeleteRouteTable: not the main one."""
    table = ask.backend.get_route_table(ask.text("RouteTableId"))
    if is_main(table):
        _held(f"The routeTable '{table.id}' has dependencies and cannot be deleted.")


def check_volume(ask: Ask) -> None:
    """DeleteVolume: only a free one."""
    volume = ask.backend.get_volume(ask.text("VolumeId"))
    if volume.attachment:
        raise AwsError(
            "VolumeInUse", f"Volume {volume.id} is currently attached to {_holder(volume)}"
        )


def _holder(volume: Any) -> str:
    return str(volume.attachment.instance.id)


def check_terminate(ask: Ask) -> None:
    """TerminateInstances: every id must be known and none protected, or none is ended."""
    for name in ask.items("InstanceIds"):
        machine = ask.backend.machine(str(name))
        if machine.disable_api_termination and machine.state not in DYING:
            raise AwsError(
                "OperationNotPermitted",
                f"The instance '{machine.id}' may not be terminated. Modify its "
                "'disableApiTermination' instance attribute and try again.",
            )
