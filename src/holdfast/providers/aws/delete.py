"""One thing taken away: only after its tags were read, and with the blockers named when refused."""

from dataclasses import dataclass
from typing import Any

from holdfast.model.observed import Seen
from holdfast.model.resource import (
    Address,
    AddressBinding,
    ChallengeTag,
    Direction,
    FirewallGroup,
    FirewallRule,
    Gateway,
    GatewayAttachment,
    MachineRole,
    Network,
    Route,
    RouteAssociation,
    RouteTable,
    Subnet,
    VirtualMachine,
)
from holdfast.providers import errors
from holdfast.providers.aws import blockers, kinds, roles, tagging, translate
from holdfast.providers.aws.client import Call, Client
from holdfast.providers.aws.reader import Reader
from holdfast.providers.port import Scope


@dataclass(frozen=True, slots=True)
class Removal:
    """The call that removes a thing, and whose tags say that it is ours to remove.

    guard  id of the tagged thing: the thing itself, or what it is a part of
    held   id of the thing whose holders explain a refusal
    """

    action: str
    params: dict[str, Any]
    guard: str
    held: str


async def delete(client: Client, scope: Scope, thing: Seen) -> None:
    """Ask for a thing to go; one that is gone is fine. Raises DependencyHeld with the blockers."""
    if isinstance(thing.resource, MachineRole):
        await roles.delete(client, scope, thing.id)
        return
    reader = Reader(client, scope.region)
    name = thing.resource.name
    removal = await _removal(reader, scope, thing)
    if removal is None or not await reader.ours(scope, removal.guard):
        return
    what = f"delete {name}"
    call = Call("ec2", removal.action, scope.region, what, removal.params, urgent=True)
    try:
        await client.call(call)
    except errors.NotFound:
        return
    except errors.DependencyHeld as refusal:
        found = await blockers.walk(reader, scope, name, removal.held)
        told = ", ".join(f"{one.kind} {one.id} ({one.owner})" for one in found)
        detail = f"{refusal.detail}. Held by: {told}" if told else refusal.detail
        raise errors.DependencyHeld(what, refusal.code, detail, tuple(found)) from refusal


async def _removal(  # noqa: C901, PLR0911, PLR0912  (one line a kind)
    reader: Reader, scope: Scope, thing: Seen
) -> Removal | None:
    """How it is removed; None when it is gone already."""
    one = thing.id
    match thing.resource:
        case VirtualMachine():
            return Removal("TerminateInstances", {"InstanceIds": [one]}, one, one)
        case Network():
            return Removal("DeleteVpc", {"VpcId": one}, one, one)
        case Subnet():
            return Removal("DeleteSubnet", {"SubnetId": one}, one, one)
        case Gateway():
            return Removal("DeleteInternetGateway", {"InternetGatewayId": one}, one, one)
        case RouteTable():
            return Removal("DeleteRouteTable", {"RouteTableId": one}, one, one)
        case FirewallGroup():
            return Removal("DeleteSecurityGroup", {"GroupId": one}, one, one)
        case Address():
            return Removal("ReleaseAddress", {"AllocationId": one}, one, one)
        case GatewayAttachment():
            gateway, _, network = one.partition("/")
            both = {"InternetGatewayId": gateway, "VpcId": network}
            return Removal("DetachInternetGateway", both, gateway, network)
        case Route():
            table = one.partition("/")[0]
            route = {"RouteTableId": table, "DestinationCidrBlock": translate.ANYWHERE}
            return Removal("DeleteRoute", route, table, table)
        case FirewallRule() as rule:
            return await _rule(reader, rule, one)
        case RouteAssociation():
            return await _association(reader, one)
        case AddressBinding():
            return await _binding(reader, scope, one)
        case MachineRole() | ChallengeTag():  # AWS signs its word: it has no challenge tags
            return None


async def _rule(reader: Reader, rule: FirewallRule, rule_id: str) -> Removal | None:
    """A rule is revoked by its id in its group, in the direction that it has now."""
    found = await reader.by_id(kinds.RULE, rule_id)
    if found is None:
        return None
    word = "Egress" if rule.direction is Direction.EGRESS else "Ingress"
    params = {"GroupId": found["GroupId"], "SecurityGroupRuleIds": [rule_id]}
    return Removal(f"RevokeSecurityGroup{word}", params, rule_id, found["GroupId"])


async def _association(reader: Reader, association: str) -> Removal | None:
    by = {"Name": "association.route-table-association-id", "Values": [association]}
    tables = await reader.matching(kinds.TABLE, [by])
    if not tables:
        return None
    table = tables[0]["RouteTableId"]
    return Removal("DisassociateRouteTable", {"AssociationId": association}, table, table)


async def _binding(reader: Reader, scope: Scope, association: str) -> Removal | None:
    mine = tagging.owned_by(scope.installation, scope.cluster)
    addresses = await reader.matching(kinds.ADDRESS, mine)
    for address in addresses:
        if address.get("AssociationId") == association:
            allocation = address["AllocationId"]
            return Removal(
                "DisassociateAddress", {"AssociationId": association}, allocation, allocation
            )
    return None
