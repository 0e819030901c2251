"""What really is there, what it costs, and what breaks an invariant: for checkers, not for us.

I1 duplicates, I2 orphans and ghosts, I3 the digest of everything foreign, I5 machine-hours.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from decimal import Decimal
from hashlib import sha256
from typing import Any

from holdfast.model.ids import ClusterId, InstallationId, ProviderId
from holdfast.model.observed import Life
from holdfast.model.resource import VirtualMachine
from holdfast.providers.sim import sale
from holdfast.providers.sim.account import Site
from holdfast.providers.sim.offerings import ADDRESS_PRICE, DISK_PRICE
from holdfast.providers.sim.things import TAKEN_ALONG, Owner, Thing, all_tags
from holdfast.providers.sim.world import World

SECONDS_PER_HOUR = 3600


def sites(world: World) -> Iterator[Site]:
    """Every account and region that was ever used."""
    for account in world.accounts.values():
        yield from account.sites


def living(world: World) -> Iterator[tuple[Site, Thing]]:
    """Everything that exists in all clouds now, machines that ended left out."""
    world.timeline.settle()
    for site in sites(world):
        for history in site.shelf.histories.values():
            thing = history.thing
            if thing is not None and thing.is_alive:
                yield site, thing


def ours(
    world: World, installation: InstallationId, cluster: ClusterId | None = None
) -> Iterator[tuple[Site, Thing]]:
    """Living things with our tags, of one cluster or of all."""
    world.timeline.settle()
    for site in sites(world):
        clusters = site.shelf.owned.get(installation, {})
        for histories in clusters.values() if cluster is None else (clusters.get(cluster, {}),):
            for history in histories.values():
                thing = history.thing
                if thing is not None and thing.is_alive and thing.owner is not None:
                    yield site, thing


def dump(world: World) -> list[dict[str, Any]]:
    """Everything that exists, as plain data in a fixed order."""
    return [
        {
            "cloud": site.cloud.value,
            "account": site.account,
            "region": site.region,
            "kind": thing.kind,
            "id": thing.id,
            "life": thing.life.value,
            "tags": all_tags(thing),
            "refs": list(thing.refs),
            "privateIp": thing.private_ip,
            "publicIp": thing.public_ip,
            "hourly": str(hourly(world, site, thing)),
            "evidence": thing.evidence,
        }
        for site, thing in living(world)
    ]


# Money


def hourly(world: World, site: Site, thing: Thing) -> Decimal:
    """USD per hour of one living thing; what the clouds give away is 0."""
    if thing.kind == "Address":
        return ADDRESS_PRICE
    if not isinstance(thing.resource, VirtualMachine):
        return Decimal(0)
    disk = DISK_PRICE * thing.resource.disk_gib
    offer = world.market.offer(thing.resource.offering)
    if offer is None or thing.life is Life.FAILED:
        return disk  # a stopped machine: its disk bills on
    return sale.price(world, site, offer) + disk + (ADDRESS_PRICE if thing.public_ip else 0)


def money(world: World, installation: InstallationId, cluster: ClusterId | None = None) -> Decimal:
    """USD per hour of everything with our tags."""
    found = (hourly(world, site, thing) for site, thing in ours(world, installation, cluster))
    return sum(found, Decimal(0))


def machine_hours(world: World, installation: InstallationId) -> float:
    """Hours of all machines that ever carried our tags, up to now."""
    world.timeline.settle()
    now = world.timeline.now
    seconds = sum(
        (now if bill.until is None else bill.until) - bill.since
        for bill in world.record.bills.values()
        if bill.owner is not None and bill.owner.installation == installation
    )
    return seconds / SECONDS_PER_HOUR


# Invariants


def duplicates(world: World) -> dict[Owner, tuple[ProviderId, ...]]:
    """I1: intents with more than one living thing now. `record.doubled` tells of all times."""
    world.timeline.settle()
    return {
        owner: tuple(ids)
        for site in sites(world)
        for owner, ids in site.shelf.named.items()
        if len(ids) > 1
    }


def orphans(
    world: World, installation: InstallationId, recorded: Collection[tuple[ClusterId, ProviderId]]
) -> list[Thing]:
    """I2: living things with our tags that are in no record."""
    return [
        thing
        for _, thing in ours(world, installation)
        if thing.owner is not None and (thing.owner.cluster, thing.id) not in recorded
    ]


def ghosts(
    world: World, installation: InstallationId, recorded: Iterable[tuple[ClusterId, ProviderId]]
) -> list[tuple[ClusterId, ProviderId]]:
    """I2: records of things that are not there, in the order in which they came."""
    there = {
        (thing.owner.cluster, thing.id)
        for _, thing in ours(world, installation)
        if thing.owner is not None
    }
    return [one for one in recorded if one not in there]


def foreign_digest(world: World, installation: InstallationId) -> str:
    """I3: changes if anything changes that is not ours.

    Left out are parts that strangers put into things of ours and that go with these by the
    cloud's own rule: a rule in our firewall group.
    """
    lines = [
        json.dumps([str(site), thing.id, thing.kind, str(thing.resource), _text(thing)])
        for site, thing in living(world)
        if not _is_of(thing, installation) and not _is_part_of_ours(site, thing, installation)
    ]
    return sha256("\n".join(sorted(lines)).encode()).hexdigest()


def outstanding(world: World) -> int:
    """What the clouds have not finished: late calls, things that come or go. 0 when quiet."""
    world.timeline.settle()
    moving = {Life.PENDING, Life.LEAVING}
    return world.timeline.late + sum(thing.life in moving for _, thing in living(world))


def _text(thing: Thing) -> str:
    return f"{thing.life.value} {sorted(all_tags(thing).items())} {thing.refs}"


def _is_of(thing: Thing, installation: InstallationId) -> bool:
    return thing.owner is not None and thing.owner.installation == installation


def _is_part_of_ours(site: Site, thing: Thing, installation: InstallationId) -> bool:
    for ref in thing.refs[:1]:
        whole = site.shelf.thing(ref)
        if whole is not None and thing.kind in TAKEN_ALONG.get(whole.kind, ()):
            return _is_of(whole, installation)
    return False
