"""What the port's `observe` answers: our things as listings show them, and what is in their way."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from holdfast.model.ids import ClusterId, ProviderId, ResourceName
from holdfast.model.observed import Blind, Foreign, Seen
from holdfast.providers import errors
from holdfast.providers.port import Scope
from holdfast.providers.sim import calls, machines, removing
from holdfast.providers.sim.account import Site
from holdfast.providers.sim.clouds import FOREIGN, LISTINGS, TRAITS, Why, refusal
from holdfast.providers.sim.consistency import FRESH, Page, flickers, visible
from holdfast.providers.sim.faults import Facts, Fault, Kind, matches
from holdfast.providers.sim.gate import Line
from holdfast.providers.sim.shelf import Histories
from holdfast.providers.sim.things import Thing
from holdfast.providers.sim.world import World

Answer = Seen | Blind | Foreign
ZONAL = frozenset({"VirtualMachine", "Subnet"})


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of the listings of one `observe`.

    pages   kind -> how old its answer is; a kind that could not be read is not in it
    hidden  faults that leave things out
    delay   seconds that the slowest of them took longer
    """

    blind: tuple[Blind, ...]
    pages: dict[str, Page]
    hidden: tuple[Fault, ...]
    delay: float


async def observe(
    line: Line, scope: Scope, cluster: ClusterId | None, *, all_pages: bool
) -> Sequence[Answer]:
    """Read every listing, each failing alone; `all_pages` False: only the first page of each."""
    budget = TRAITS[line.site.cloud].reading
    listings = (*LISTINGS, FOREIGN) if cluster is not None else tuple(LISTINGS)
    for listing in listings:
        await line.acquire(f"list-{listing}", budget)
    about = cluster or ClusterId("")
    await line.travel("observe", about)
    line.world.timeline.settle()
    reading = _read(line, listings, about)
    found = list(_things(line.world, line.site, scope, cluster, reading))
    if not all_pages:
        found = _first_page(found, line.world.settings.page or TRAITS[line.site.cloud].page)
    answers: list[Answer] = [*reading.blind, *found]
    if cluster is not None and FOREIGN in reading.pages:
        answers += _foreign(line.site, scope)
    if reading.delay:
        await line.world.clock.sleep(reading.delay)
    await line.travel("observe", about)
    return answers


def _read(line: Line, listings: Iterable[str], cluster: ClusterId) -> Reading:
    budget = TRAITS[line.site.cloud].reading
    blind: list[Blind] = []
    pages: dict[str, Page] = {}
    delay = 0.0
    for listing in listings:
        kinds = LISTINGS.get(listing, ("Foreign",))
        told = line.facts("observe", None, listing)
        facts = replace(told, thing=kinds[0], also=kinds[1:])
        error: errors.ProviderError | None = None
        try:
            fault = calls.read(line, facts, listing, cluster, budget)
        except errors.ProviderError as refused:
            error = refused
            blind.append(Blind(frozenset(kinds), str(refused), type(refused).__name__))
        else:
            blind += _blind_zones(line, facts, listing)
            pages |= dict.fromkeys((*kinds, listing), _page(fault))
            if fault is not None and fault.kind is Kind.DELAY:
                delay = max(delay, fault.value)
        line.answered(f"list-{listing}", budget, error)
    hidden = line.world.faults.somewhere(Kind.HIDDEN, line.facts("observe"), line.world.moment())
    return Reading(tuple(blind), pages, hidden, delay)


def _blind_zones(line: Line, facts: Facts, listing: str) -> Iterable[Blind]:
    """Zones that a listing says nothing of, although it answers for the others."""
    world, site = line.world, line.site
    kinds = ZONAL & {facts.thing, *facts.also}
    if not kinds:
        return
    if not world.faults.somewhere(Kind.OUTAGE, facts, world.moment()):
        return
    for zone in world.market.zones(site.cloud, site.region):
        there = replace(facts, zone=zone)
        if world.faults.find((Kind.OUTAGE,), there, world.moment()) is not None:
            refused = refusal(site.cloud, Why.LATER, f"list {listing}", f"{zone} does not answer")
            yield Blind(kinds, str(refused), type(refused).__name__, site.cloud, zone)


def _page(fault: Fault | None) -> Page:
    if fault is None or fault.kind is not Kind.STALE:
        return FRESH
    return Page(fault.value, fault.writes)


def _things(
    world: World, site: Site, scope: Scope, cluster: ClusterId | None, reading: Reading
) -> Iterable[Seen]:
    clusters = site.shelf.owned.get(scope.installation, {})
    for histories in clusters.values() if cluster is None else (clusters.get(cluster, {}),):
        yield from _shown(world, site, histories, reading)


def _shown(world: World, site: Site, histories: Histories, reading: Reading) -> Iterable[Seen]:
    now, settings = world.timeline.now, world.consistency(site.cloud)
    for history in histories.values():
        page = reading.pages.get(history.kind)
        if page is None:
            continue
        if flickers(settings, world.draws, history, now):
            page = replace(page, writes=page.writes + 1)
        version = visible(history, now, page)
        if version is None or version.shown is None or version.thing is None:
            continue
        if any(b.hides(version.shown.resource) for b in reading.blind):
            continue
        if reading.hidden and _is_hidden(site, version.thing, reading.hidden):
            continue
        yield version.shown


def _is_hidden(site: Site, thing: Thing, hidden: Iterable[Fault]) -> bool:
    facts = machines.facts_of(site, thing, "observe")
    return any(matches(fault, facts) for fault in hidden)


def _first_page(found: list[Seen], size: int) -> list[Seen]:
    """What a client sees that reads no second page: so many of each kind."""
    kept: dict[str, list[Seen]] = {}
    for seen in found:
        page = kept.setdefault(type(seen.resource).__name__, [])
        if len(page) < size:
            page.append(seen)
    return [seen for page in kept.values() for seen in page]


def _foreign(site: Site, scope: Scope) -> list[Foreign]:
    """Living things of others in a cluster's networks and groups, with all that they hold."""
    found = []
    for alien_id in site.shelf.aliens.get((scope.installation, scope.cluster), ()):
        alien = site.shelf.living(alien_id)
        if alien is None or alien.owner is not None:
            continue
        is_rule = alien.kind == "FirewallRule"  # it goes with its group: it holds nothing
        holds = frozenset() if is_rule else frozenset(_held(site, scope, alien))
        if holds or is_rule:
            found.append(removing.foreign(alien, holds))
    return found


def _held(site: Site, scope: Scope, alien: Thing) -> Iterable[ResourceName]:
    """Names of what of ours an alien keeps: what it needs, and what that needs in turn."""
    waiting, met = list(alien.refs), dict.fromkeys(alien.refs)
    while waiting:
        thing = site.shelf.living(waiting.pop())
        if thing is None:
            continue
        owner = thing.owner
        if owner and (owner.installation, owner.cluster) == (scope.installation, scope.cluster):
            yield owner.name
        for ref in thing.refs:
            if ref not in met:
                met[ref] = None
                waiting.append(ref)
    if alien.public_ip:
        yield from _gateways(site, met)


def _gateways(site: Site, networks: Iterable[ProviderId]) -> Iterable[ResourceName]:
    """A gateway is not detached from a network with public addresses in use."""
    for network in networks:
        for user in site.shelf.users_of(network):
            if user.kind == "GatewayAttachment" and user.owner is not None:
                yield user.owner.name
