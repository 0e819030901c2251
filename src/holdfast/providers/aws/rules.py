"""Firewall rules: our values <-> AWS's permissions; rules that strangers put into our groups."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

from holdfast.model.ids import ProviderId, ResourceName
from holdfast.model.observed import Foreign
from holdfast.model.resource import FirewallRule
from holdfast.providers.aws import kinds, tagging
from holdfast.providers.aws.kinds import Kind
from holdfast.providers.aws.reader import Reader, Thing
from holdfast.providers.port import Scope

PEERS = ("IpRanges", "Ipv6Ranges", "UserIdGroupPairs", "PrefixListIds")


def permission(rule: FirewallRule, known: Mapping[ResourceName, ProviderId]) -> dict[str, Any]:
    """`IpPermissions` of one rule. `known` has the id of a peer that is a group."""
    found: dict[str, Any] = {"IpProtocol": "-1" if rule.protocol == "all" else rule.protocol}
    if rule.protocol in {"tcp", "udp"}:
        found |= {"FromPort": rule.from_port, "ToPort": rule.to_port}
    elif rule.protocol == "icmp":
        found |= {"FromPort": -1, "ToPort": -1}
    if isinstance(rule.peer, IPv4Network):
        found["IpRanges"] = [{"CidrIp": str(rule.peer), "Description": rule.name}]
    else:
        found["UserIdGroupPairs"] = [{"GroupId": known[rule.peer], "Description": rule.name}]
    return found


def is_same(found: Thing, wanted: Mapping[str, Any], *, outward: bool) -> bool:
    """True when a rule that AWS lists allows just what the permission `wanted` does."""
    ranges, pairs = wanted.get("IpRanges", [{}]), wanted.get("UserIdGroupPairs", [{}])
    ports = (wanted.get("FromPort", -1), wanted.get("ToPort", -1))
    return (
        found["IsEgress"] == outward
        and found["IpProtocol"] == wanted["IpProtocol"]
        and (found.get("FromPort", -1), found.get("ToPort", -1)) == ports
        and found.get("CidrIpv4") == ranges[0].get("CidrIp")
        and found.get("ReferencedGroupInfo", {}).get("GroupId") == pairs[0].get("GroupId")
    )


async def foreign(
    reader: Reader, scope: Scope, listed: Mapping[Kind, Sequence[Thing]]
) -> list[Foreign]:
    """Rules in our groups that are not ours. They hold nothing: a group takes its rules along.

    Groups tell how many rules they have, so that a settled cluster needs no further listing.
    """
    if kinds.RULE not in listed:
        return []
    ours = [one["GroupId"] for one in listed[kinds.RULE]]
    fuller = [
        group["GroupId"]
        for group in listed.get(kinds.GROUP, ())
        if count(group) > ours.count(group["GroupId"])
    ]
    if not fuller:
        return []
    found = await reader.matching(kinds.RULE, [{"Name": "group-id", "Values": fuller}])
    return [_shown(one) for one in found if _is_foreign(one, scope)]


def count(group: Thing) -> int:
    """How many rules a group has, by AWS's count: one for each peer of each permission."""
    permissions = [*group.get("IpPermissions", ()), *group.get("IpPermissionsEgress", ())]
    return sum(len(one.get(peers, ())) for one in permissions for peers in PEERS)


def _is_foreign(rule: Thing, scope: Scope) -> bool:
    tags = tagging.tags_of(rule)
    return not tagging.is_ours(tags, scope) and not (not tags and is_first_egress(rule))


def is_first_egress(rule: Thing) -> bool:
    """The rule that every new group has by itself: everything may leave."""
    return is_same(rule, {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}, outward=True)


def _shown(rule: Thing) -> Foreign:
    peer = rule.get("CidrIpv4") or rule.get("CidrIpv6") or rule.get("PrefixListId")
    peer = peer or rule.get("ReferencedGroupInfo", {}).get("GroupId", "?")
    ports = f"{rule.get('FromPort', -1)}-{rule.get('ToPort', -1)}"
    way = "to" if rule["IsEgress"] else "from"
    words = tagging.words(tagging.tags_of(rule))
    return Foreign(
        id=ProviderId(rule["SecurityGroupRuleId"]),
        kind=kinds.RULE.word,
        holds=frozenset(),
        owner=f"{words}; {rule['IpProtocol']} {ports} {way} {peer} in {rule['GroupId']}",
    )
