"""All that AWS shows of our things: one listing a kind, at once, each failing alone."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from holdfast.model.ids import ClusterId, ResourceName
from holdfast.model.observed import Blind, Foreign, Seen
from holdfast.model.resource import (
    Address,
    AddressBinding,
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
from holdfast.providers import errors
from holdfast.providers.aws import blockers, kinds, roles, tagging, translate
from holdfast.providers.aws.client import Client
from holdfast.providers.aws.kinds import Kind
from holdfast.providers.aws.machine import virtual_machine
from holdfast.providers.aws.reader import Reader, Thing
from holdfast.providers.aws.translate import Builder, Ids
from holdfast.providers.port import Scope

VIRTUAL_MACHINE = frozenset({"VirtualMachine"})


@dataclass(frozen=True, slots=True)
class Listing:
    """One call and what it shows."""

    kind: Kind
    shows: tuple[type[Resource], ...]
    build: Builder


LISTINGS = (
    Listing(kinds.NETWORK, (Network,), translate.network),
    Listing(kinds.GATEWAY, (Gateway, GatewayAttachment), translate.gateway),
    Listing(kinds.SUBNET, (Subnet,), translate.subnet),
    Listing(kinds.TABLE, (RouteTable, Route, RouteAssociation), translate.route_table),
    Listing(kinds.GROUP, (FirewallGroup,), translate.firewall_group),
    Listing(kinds.RULE, (FirewallRule,), translate.firewall_rule),
    Listing(kinds.ADDRESS, (Address, AddressBinding), translate.address),
)
# Where one thing names another by id.
REFERENCES = ("VpcId", "GroupId", "InstanceId")

Listed = Mapping[Kind, Sequence[Thing]]


async def observe(
    client: Client, scope: Scope, cluster: ClusterId | None
) -> Sequence[Seen | Blind | Foreign]:
    """Things of the installation, or of one cluster with what foreign things hold of them."""
    reader = Reader(client, scope.region)
    filters = tagging.owned_by(scope.installation, cluster)
    found_kinds = [*(listing.kind for listing in LISTINGS), kinds.INSTANCE]
    answers, of_roles = await asyncio.gather(
        asyncio.gather(*(_try(reader, kind, filters) for kind in found_kinds)),
        roles.observe(client, scope, cluster),
    )
    listed: dict[Kind, Sequence[Thing]] = {}
    result: list[Seen | Blind | Foreign] = list(of_roles)
    for kind, answer in zip(found_kinds, answers, strict=True):
        if isinstance(answer, errors.ProviderError):
            result.append(_blind(kind, answer))
        else:
            listed[kind] = answer
    ids = await _ids(reader, listed)
    result += _built(listed, ids, scope.region)
    if cluster is not None:
        result += await blockers.observe(reader, scope, listed, ids)
    return result


async def _try(
    reader: Reader, kind: Kind, filters: list[dict[str, object]]
) -> Sequence[Thing] | errors.ProviderError:
    try:
        return await reader.matching(kind, filters)
    except errors.ProviderError as error:
        return error


def _blind(kind: Kind, error: errors.ProviderError) -> Blind:
    shows = next((one.shows for one in LISTINGS if one.kind is kind), None)
    names = frozenset(one.__name__ for one in shows) if shows else VIRTUAL_MACHINE
    return Blind(names, str(error), type(error).__name__)


def _built(listed: Listed, ids: Ids, region: str) -> Iterable[Seen | Blind]:
    """Every listed thing of ours, rebuilt; a kind whose answer cannot be read is blind."""

    def machine(thing: translate.Answer, owner: tagging.Owner, _: Ids) -> Iterable[Seen | Blind]:
        yield virtual_machine(thing, owner, ids, region)

    builders = {listing.kind: listing.build for listing in LISTINGS} | {kinds.INSTANCE: machine}
    for kind, build in builders.items():
        try:
            yield from _of_kind(listed.get(kind, ()), build, ids)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            detail = f"an answer that cannot be read: {type(error).__name__} {error}"
            yield _blind(kind, errors.Unavailable(f"list {kind.word}s", "", detail))


def _of_kind(things: Sequence[Thing], build: Builder, ids: Ids) -> list[Seen | Blind]:
    found: list[Seen | Blind] = []
    for thing in things:
        owner = tagging.owner_of(tagging.tags_of(thing))
        if owner is not None:
            found += build(thing, owner, ids)
    return found


async def _ids(reader: Reader, listed: Listed) -> Ids:
    """What every id means that some listed thing names; the unknown ones are looked up singly.

    A look-up tells a foreign thing from one of ours that a stale listing left out. Where the
    listing of the kind failed there is no look-up: it would fail as well.
    """
    ours: dict[str, ResourceName] = {}
    for kind, things in listed.items():
        for thing in things:
            owner = tagging.owner_of(tagging.tags_of(thing))
            if owner is not None:
                ours[thing[kind.identity]] = owner.name
    unknown = sorted(
        thing_id
        for thing_id in _mentioned(listed) - ours.keys()
        if (kind_of := kinds.of(thing_id)) is not None and kind_of in listed
    )
    looked_up = await asyncio.gather(*(_look_up(reader, thing_id) for thing_id in unknown))
    foreign = set()
    for thing_id, found in zip(unknown, looked_up, strict=True):
        owner = tagging.owner_of(tagging.tags_of(found)) if found is not None else None
        if owner is not None:
            ours[thing_id] = owner.name
        elif found is not None:
            foreign.add(thing_id)
    return Ids(ours, frozenset(foreign))


async def _look_up(reader: Reader, thing_id: str) -> Thing | None:
    kind = kinds.of(thing_id)
    try:
        return await reader.by_id(kind, thing_id) if kind else None
    except errors.ProviderError:
        return None  # not seen either way: nothing will be claimed about what leads to it


def _mentioned(listed: Listed) -> set[str]:
    """Every id that a listed thing names and a rebuilt thing needs."""
    found: set[str] = set()
    for kind, things in listed.items():
        if kind is kinds.INSTANCE:
            continue
        for thing in things:
            found |= {str(thing[key]) for key in REFERENCES if thing.get(key)}
            found |= {one["VpcId"] for one in thing.get("Attachments", ())}
            found |= {one["GatewayId"] for one in thing.get("Routes", ()) if one.get("GatewayId")}
            found |= {
                one["SubnetId"] for one in thing.get("Associations", ()) if one.get("SubnetId")
            }
            if "ReferencedGroupInfo" in thing:
                found.add(thing["ReferencedGroupInfo"].get("GroupId", ""))
    return found
