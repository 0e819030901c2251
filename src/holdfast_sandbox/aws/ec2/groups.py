"""Security groups: rules checked before moto takes them (row H21)."""

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from typing import Any

from holdfast_sandbox.aws.ec2 import quotas
from holdfast_sandbox.aws.ec2.ask import Ask
from holdfast_sandbox.aws.ec2.dependants import group_of
from holdfast_sandbox.aws.errors import AwsError

WITH_PORTS = ("tcp", "udp", "6", "17")
FLAT = ("IpProtocol", "FromPort", "ToPort")


def permissions(ask: Ask) -> list[dict[str, Any]]:
    """The rules of an authorize or revoke call, also of the old flat form."""
    found = [dict(item) for item in ask.items("IpPermissions")]
    if not found and ask.text("IpProtocol"):
        flat = {name: ask.params[name] for name in FLAT if name in ask.params}
        flat["IpRanges"] = [{"CidrIp": ask.text("CidrIp")}] if ask.text("CidrIp") else []
        found = [flat]
    return found


def check_authorize(ask: Ask) -> None:
    """Authorize…: ports, CIDRs and groups must make sense and there must be room."""
    group = group_of(ask.backend, _group_id(ask))
    wanted = permissions(ask)
    if not wanted:
        raise AwsError("MissingParameter", "The request must contain the parameter ipPermissions")
    more = 0
    for rule in wanted:
        _check_ports(rule)
        sources = list(_sources(rule))
        if not sources:
            raise AwsError(
                "InvalidParameterValue", "Invalid value 'null' for a rule's source or destination"
            )
        more += len(sources)
        for pair in rule.get("UserIdGroupPairs") or []:
            peer = str(pair.get("GroupId") or pair.get("GroupName"))
            if peer not in ask.backend.groups[str(group.vpc_id)]:
                raise AwsError(
                    "InvalidGroup.NotFound",
                    f"You have specified two resources that belong to different networks, or "
                    f"the group '{peer}' does not exist.",
                )
    egress = ask.call.action.endswith("Egress")
    held = group.egress_rules if egress else group.ingress_rules
    quotas.check_rules(ask, len(held), more)


def _group_id(ask: Ask) -> str:
    if ask.text("GroupId"):
        return ask.text("GroupId")
    found = ask.backend.get_security_group_from_name(ask.text("GroupName"))
    return str(found.id) if found else ask.text("GroupName")


def _sources(rule: Mapping[str, Any]) -> Iterator[Any]:
    for item in rule.get("IpRanges") or []:
        yield _cidr(str(item.get("CidrIp", "")))
    yield from rule.get("Ipv6Ranges") or []
    yield from rule.get("UserIdGroupPairs") or []
    yield from rule.get("PrefixListIds") or []


def _cidr(text: str) -> IPv4Network:
    try:
        return IPv4Network(text)
    except ValueError as error:
        raise AwsError(
            "InvalidParameterValue", f"CIDR block {text} is malformed or has host bits set"
        ) from error


def _check_ports(rule: Mapping[str, Any]) -> None:
    protocol = str(rule.get("IpProtocol", ""))
    if not protocol:
        raise AwsError(
            "InvalidParameterValue", "VPC security group rules must specify protocols explicitly."
        )
    if protocol.lower() not in WITH_PORTS:
        return
    first, last = rule.get("FromPort"), rule.get("ToPort")
    if first is None or last is None:
        raise AwsError(
            "InvalidParameterValue",
            "Invalid value for portRange. Must specify both from and to ports with TCP/UDP.",
        )
    if not 0 <= int(first) <= int(last) <= 65535:
        raise AwsError(
            "InvalidParameterValue", f"Invalid port range: {first}-{last} is outside 0-65535"
        )


def check_create(ask: Ask) -> None:
    """CreateSecurityGroup: a VPC that exists, room, a description."""
    quotas.check_groups(ask)
    name = ask.text("VpcId")
    if name:
        ask.backend.get_vpc(name)
    if ask.text("GroupName").startswith("sg-") or ask.text("GroupName") == "default":
        raise AwsError("InvalidParameterValue", f"Invalid group name: {ask.text('GroupName')}")
