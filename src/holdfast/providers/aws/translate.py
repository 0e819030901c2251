"""What AWS answers -> what the platform sees: each thing rebuilt from the cloud's own words. Pure.

A field that someone changed at the cloud differs in the rebuilt thing. Where a part leads to
something that no listing showed, nothing is claimed about the part: it comes back as `Blind`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network
from typing import Any

from holdfast.model.ids import ProviderId, ResourceName
from holdfast.model.observed import Blind, Life, Seen
from holdfast.model.resource import (
    Address,
    AddressBinding,
    Direction,
    FirewallGroup,
    FirewallRule,
    Gateway,
    GatewayAttachment,
    Network,
    Resource,
    Route,
    RouteAssociation,
    RouteTable,
    Subnet,
)
from holdfast.providers.aws import tagging
from holdfast.providers.aws.tagging import Owner

ANYWHERE = "0.0.0.0/0"
_LIVES = {
    "pending": Life.PENDING,
    "available": Life.PRESENT,
    "active": Life.PRESENT,
    "associated": Life.PRESENT,
    "attached": Life.PRESENT,
    "associating": Life.PENDING,
    "attaching": Life.PENDING,
    "disassociating": Life.LEAVING,
    "detaching": Life.LEAVING,
    "detached": Life.GONE,
    "disassociated": Life.GONE,
}

Answer = Mapping[str, Any]
Found = Iterable[Seen | Blind]


@dataclass(frozen=True, slots=True)
class Ids:
    """What ids mean.

    ours     ids of things of ours -> their names
    foreign  ids that were looked up and are not ours: they stand for themselves
    """

    ours: Mapping[str, ResourceName]
    foreign: frozenset[str] = frozenset()

    def name(self, thing_id: str) -> ResourceName | None:
        """The name of a thing; its id if it is foreign; None if nobody knows it."""
        if thing_id in self.ours:
            return self.ours[thing_id]
        return ResourceName(thing_id) if thing_id in self.foreign else None


def life(state: str) -> Life:
    """What a state word means; a word that is not listed means "it will not be usable"."""
    return _LIVES.get(state, Life.FAILED)


def seen(owner: Owner, resource: Resource, thing_id: str, state: str = "available") -> Seen:
    """A thing of ours, in a state by AWS's word for it."""
    now = life(state)
    return Seen(
        resource=resource,
        id=ProviderId(thing_id),
        life=now,
        cluster=owner.cluster,
        installation=owner.installation,
        evidence="" if now is Life.PRESENT else state,
    )


def network(thing: Answer, owner: Owner, _: Ids) -> Found:
    """DescribeVpcs."""
    resource = Network(owner.name, IPv4Network(thing["CidrBlock"]))
    yield seen(owner, resource, thing["VpcId"], thing.get("State", "available"))


def subnet(thing: Answer, owner: Owner, ids: Ids) -> Found:
    """DescribeSubnets."""
    parent = ids.name(thing["VpcId"])
    if parent is None:
        yield unresolved(Subnet, owner.name, thing["VpcId"])
        return
    cidr = IPv4Network(thing["CidrBlock"])
    resource = Subnet(owner.name, parent, thing["AvailabilityZone"], cidr)
    yield seen(owner, resource, thing["SubnetId"], thing.get("State", "available"))


def gateway(thing: Answer, owner: Owner, ids: Ids) -> Found:
    """DescribeInternetGateways: the gateway and what it is attached to."""
    gateway_id = thing["InternetGatewayId"]
    yield seen(owner, Gateway(owner.name), gateway_id)
    for attachment in thing.get("Attachments", ()):
        parent = ids.name(attachment["VpcId"])
        name = tagging.part(owner.name, "gateway-attachment")
        if parent is None:
            yield unresolved(GatewayAttachment, name, attachment["VpcId"])
            continue
        resource = GatewayAttachment(name, owner.name, parent)
        yield seen(owner, resource, f"{gateway_id}/{attachment['VpcId']}", attachment["State"])


def route_table(thing: Answer, owner: Owner, ids: Ids) -> Found:
    """DescribeRouteTables: the table, its default route, the subnets that use it."""
    table_id, parent = thing["RouteTableId"], ids.name(thing["VpcId"])
    if parent is None:
        yield unresolved(RouteTable, owner.name, thing["VpcId"])
    else:
        yield seen(owner, RouteTable(owner.name, parent), table_id)
    for route in thing.get("Routes", ()):
        if route.get("DestinationCidrBlock") == ANYWHERE:
            yield _route(route, owner, table_id, ids)
    for association in thing.get("Associations", ()):
        yield from _association(association, owner, ids)


def _route(route: Answer, owner: Owner, table_id: str, ids: Ids) -> Seen | Blind:
    """The default route. One that leads nowhere, or not to a gateway, differs by its raw target."""
    targets = ("GatewayId", "NatGatewayId", "InstanceId", "NetworkInterfaceId", "TransitGatewayId")
    target = next((str(route[key]) for key in targets if route.get(key)), "unknown")
    state = route.get("State", "active")
    name, leads_to = tagging.route_of(owner.name), ids.name(target)
    if leads_to is None and target.startswith("igw-") and state != "blackhole":
        return unresolved(Route, name, target)
    resource = Route(name, owner.name, leads_to or ResourceName(target))
    return seen(owner, resource, f"{table_id}/{ANYWHERE}", state)


def _association(association: Answer, owner: Owner, ids: Ids) -> Found:
    if association.get("Main") or not association.get("SubnetId"):
        return
    used_by = ids.name(association["SubnetId"])
    if association["SubnetId"] in ids.foreign:
        return
    if used_by is None:
        yield unresolved(RouteAssociation, owner.name, association["SubnetId"])
        return
    name = tagging.part(used_by, "route-association")
    state = association.get("AssociationState", {}).get("State", "associated")
    resource = RouteAssociation(name, owner.name, used_by)
    yield seen(owner, resource, association["RouteTableAssociationId"], state)


def firewall_group(thing: Answer, owner: Owner, ids: Ids) -> Found:
    """DescribeSecurityGroups."""
    parent = ids.name(thing["VpcId"])
    if parent is None:
        yield unresolved(FirewallGroup, owner.name, thing["VpcId"])
        return
    yield seen(owner, FirewallGroup(owner.name, parent), thing["GroupId"])


def firewall_rule(thing: Answer, owner: Owner, ids: Ids) -> Found:
    """DescribeSecurityGroupRules. A peer that is no IPv4 range and no group stands for itself."""
    group = ids.name(thing["GroupId"])
    peer = _peer(thing, ids)
    if group is None or peer is None:
        lost = thing["GroupId"] if group is None else thing["ReferencedGroupInfo"]["GroupId"]
        yield unresolved(FirewallRule, owner.name, lost)
        return
    protocol = "all" if thing["IpProtocol"] == "-1" else str(thing["IpProtocol"])
    has_ports = protocol in {"tcp", "udp"}
    resource = FirewallRule(
        owner.name,
        group,
        Direction.EGRESS if thing["IsEgress"] else Direction.INGRESS,
        protocol,
        thing["FromPort"] if has_ports else 0,
        thing["ToPort"] if has_ports else 0,
        peer,
    )
    yield seen(owner, resource, thing["SecurityGroupRuleId"])


def _peer(thing: Answer, ids: Ids) -> IPv4Network | ResourceName | None:
    if thing.get("CidrIpv4"):
        return IPv4Network(thing["CidrIpv4"])
    group = thing.get("ReferencedGroupInfo", {}).get("GroupId")
    if group:
        return ids.name(group)
    return ResourceName(str(thing.get("CidrIpv6") or thing.get("PrefixListId") or "unknown"))


def address(thing: Answer, owner: Owner, ids: Ids) -> Found:
    """DescribeAddresses: the address, and the machine that it leads to."""
    public_ip = thing["PublicIp"]
    found = seen(owner, Address(owner.name), thing["AllocationId"])
    yield _with_address(found, public_ip)
    if not thing.get("AssociationId"):
        return
    name = tagging.part(owner.name, "address-binding")
    holder = thing.get("InstanceId") or thing.get("NetworkInterfaceId") or "unknown"
    leads_to = ids.name(holder)
    if leads_to is None and holder.startswith("i-"):
        yield unresolved(AddressBinding, name, holder)
        return
    resource = AddressBinding(name, owner.name, leads_to or ResourceName(holder))
    yield _with_address(seen(owner, resource, thing["AssociationId"], "associated"), public_ip)


def _with_address(found: Seen, public_ip: str) -> Seen:
    return Seen(
        found.resource,
        found.id,
        found.life,
        found.cluster,
        found.installation,
        public_ip=public_ip,
        evidence=found.evidence,
    )


def unresolved(kind: type[Resource], name: ResourceName, thing_id: str) -> Blind:
    """A part that leads to something which no listing shows now: nothing is known about it."""
    reason = f"{name} leads to {thing_id}, which the cloud does not show now"
    return Blind(frozenset({kind.__name__}), reason)


def moment(value: object) -> datetime | None:
    """A time that AWS answered; the SDK parses them already."""
    return value if isinstance(value, datetime) else None


Builder = Callable[[Answer, Owner, Ids], Found]
