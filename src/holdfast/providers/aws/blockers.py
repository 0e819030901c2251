"""Who holds our things: what is in our network or groups without our tags, named for people."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from holdfast.model.ids import ProviderId, ResourceName
from holdfast.model.observed import Blind, Foreign
from holdfast.providers import errors
from holdfast.providers.aws import kinds, rules, tagging
from holdfast.providers.aws.kinds import Kind
from holdfast.providers.aws.reader import Reader, Thing
from holdfast.providers.aws.translate import Ids, moment
from holdfast.providers.port import Scope

Listed = Mapping[Kind, Sequence[Thing]]


async def observe(
    reader: Reader, scope: Scope, listed: Listed, ids: Ids
) -> Sequence[Foreign | Blind]:
    """Foreign machines and network interfaces in a cluster's networks, rules in its groups."""
    try:
        found = await _in_networks(reader, scope, listed, ids)
        return [*found, *await rules.foreign(reader, scope, listed)]
    except errors.ProviderError as error:
        return [Blind(frozenset({"Foreign"}), str(error), type(error).__name__)]


async def _in_networks(reader: Reader, scope: Scope, listed: Listed, ids: Ids) -> Sequence[Foreign]:
    networks = [thing["VpcId"] for thing in listed.get(kinds.NETWORK, ())]
    if not networks:
        return []
    links = await reader.matching(kinds.LINK, [{"Name": "vpc-id", "Values": networks}])
    machines = {thing["InstanceId"] for thing in listed.get(kinds.INSTANCE, ())}
    alien = [link for link in links if not _is_ours(link, scope, machines)]
    return await named(reader, alien, ids.ours)


def _is_ours(link: Thing, scope: Scope, machines: set[str]) -> bool:
    holder = link.get("Attachment", {}).get("InstanceId")
    return holder in machines or tagging.is_ours(tagging.tags_of(link), scope)


async def named(
    reader: Reader, links: Sequence[Thing], ours: Mapping[str, ResourceName]
) -> list[Foreign]:
    """Foreign things by their network interfaces: the machine where there is one, else the link."""
    found: dict[str, Foreign] = {}
    for link in links:
        one = _of_link(link, ours)
        before = found.get(one.id)
        found[one.id] = replace(one, holds=one.holds | before.holds) if before else one
    machines = [one.id for one in found.values() if one.kind == kinds.INSTANCE.word]
    told = await asyncio.gather(*(_owner(reader, machine) for machine in machines))
    for machine, thing in zip(machines, told, strict=True):
        if thing is not None:
            found[machine] = replace(
                found[machine],
                owner=tagging.words(tagging.tags_of(thing)),
                created_at=moment(thing.get("LaunchTime")),
            )
    return sorted(found.values(), key=lambda one: one.id)


async def _owner(reader: Reader, machine: str) -> Thing | None:
    try:
        return await reader.by_id(kinds.INSTANCE, machine)
    except errors.ProviderError:
        return None  # its network interface still tells that it is there


def _of_link(link: Thing, ours: Mapping[str, ResourceName]) -> Foreign:
    attachment = link.get("Attachment", {})
    machine = attachment.get("InstanceId")
    requester = link.get("RequesterId") or link.get("InterfaceType") or ""
    made_by = f"made by {requester}" if requester and requester != "interface" else ""
    told = [tagging.words(tagging.tags_of(link)), made_by, link.get("Description", "")]
    return Foreign(
        id=ProviderId(machine or link["NetworkInterfaceId"]),
        kind=kinds.INSTANCE.word if machine else kinds.LINK.word,
        holds=frozenset(_held(link, ours)),
        owner="; ".join(part for part in told if part),
        created_at=moment(attachment.get("AttachTime")),
    )


def _held(link: Thing, ours: Mapping[str, ResourceName]) -> Iterable[ResourceName]:
    """What of ours a network interface keeps from going."""
    ids = [link["VpcId"], link["SubnetId"], *(one["GroupId"] for one in link.get("Groups", ()))]
    yield from (ours[one] for one in ids if one in ours)
    if link.get("Association", {}).get("PublicIp"):
        # AWS does not detach a gateway from a network with public addresses in use.
        gateways = [name for thing_id, name in ours.items() if thing_id.startswith("igw-")]
        yield from (tagging.part(name, "gateway-attachment") for name in gateways)


@dataclass(frozen=True, slots=True)
class Holder:
    """A listing of things that keep another from going; `field` names it in their filters."""

    kind: Kind
    filter: str


# What may hold a thing, by the prefix of its id, beside network interfaces.
HOLDERS: Mapping[str, tuple[Holder, ...]] = {
    "vpc": (
        Holder(kinds.SUBNET, "vpc-id"),
        Holder(kinds.GROUP, "vpc-id"),
        Holder(kinds.TABLE, "vpc-id"),
        Holder(kinds.GATEWAY, "attachment.vpc-id"),
        Holder(kinds.NAT, "vpc-id"),
    ),
    "subnet": (Holder(kinds.NAT, "subnet-id"),),
    "sg": (
        Holder(kinds.GROUP, "ip-permission.group-id"),
        Holder(kinds.GROUP, "egress.ip-permission.group-id"),
    ),
}
LINK_FILTERS = {
    "vpc": "vpc-id",
    "subnet": "subnet-id",
    "sg": "group-id",
    "eipalloc": "association.allocation-id",
}


async def walk(reader: Reader, scope: Scope, held: ResourceName, thing_id: str) -> list[Foreign]:
    """The foreign things that keep one of ours from going. Ours are left out: they go by plan.

    Raises a class of `providers.errors` when a listing fails.
    """
    prefix = thing_id.partition("-")[0]
    found: list[Foreign] = []
    if prefix in LINK_FILTERS:
        by = {"Name": LINK_FILTERS[prefix], "Values": [thing_id]}
        links = [
            link
            for link in await reader.matching(kinds.LINK, [by])
            if not await _of_ours(reader, scope, link)
        ]
        found += await named(reader, links, {thing_id: held})
    for holder in HOLDERS.get(prefix, ()):
        by = {"Name": holder.filter, "Values": [thing_id]}
        for thing in await reader.matching(holder.kind, [by]):
            if thing[holder.kind.identity] != thing_id and not _goes_along(thing):
                found += _foreign(thing, holder.kind, scope, held)
    return found


async def _of_ours(reader: Reader, scope: Scope, link: Thing) -> bool:
    if tagging.is_ours(tagging.tags_of(link), scope):
        return True
    machine = link.get("Attachment", {}).get("InstanceId")
    thing = await _owner(reader, machine) if machine else None
    return thing is not None and tagging.is_ours(tagging.tags_of(thing), scope)


def _goes_along(thing: Mapping[str, Any]) -> bool:
    """The default group and the main table go with their network; deleted NAT gateways linger."""
    main = any(one.get("Main") for one in thing.get("Associations", ()))
    return main or thing.get("GroupName") == "default" or thing.get("State") == "deleted"


def _foreign(thing: Thing, kind: Kind, scope: Scope, held: ResourceName) -> Iterable[Foreign]:
    tags = tagging.tags_of(thing)
    if not tagging.is_ours(tags, scope):
        yield Foreign(
            id=ProviderId(thing[kind.identity]),
            kind=kind.word,
            holds=frozenset({held}),
            owner=tagging.words(tags),
            created_at=moment(thing.get("CreateTime")),
        )
