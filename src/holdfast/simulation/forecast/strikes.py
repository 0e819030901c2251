"""The bad events that a cluster can be tried with; each strikes a quiet cluster."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from holdfast.model.ids import ClusterId
from holdfast.model.offering import CapacityType
from holdfast.model.resource import Role
from holdfast.providers.sim import machines, spot
from holdfast.providers.sim.faults import Fault, Kind
from holdfast.simulation.machines import Guest
from holdfast.simulation.world import Simulation

ZONE_DARK = timedelta(minutes=30)
DROUGHT = timedelta(minutes=20)
AWAY = timedelta(minutes=10)
POWER = "terminated: Server.InternalError: the host failed"


class Impossible(ValueError):
    """This event cannot strike this cluster; the text says why and what can be done."""


@dataclass(frozen=True, slots=True)
class Strike:
    """A bad event. `act` does it, says in words what it did, and returns its length."""

    name: str
    about: str
    act: Callable[[Simulation, ClusterId], timedelta]


def _zone(world: Simulation, cluster: ClusterId) -> timedelta:
    """The zone with most of the machines; nothing can be bought there meanwhile."""
    guests = world.guests(cluster)
    zones = Counter(guest.resource.offering.zone for guest in guests)
    zone = max(sorted(zones), key=lambda one: zones[one])
    world.transcript.note(f"zone {zone} fails with {zones[zone]} of {len(guests)} machines")
    _for(world, ZONE_DARK, Fault(Kind.SOLD_OUT, zone=zone))
    for site in {str(guest.site): guest.site for guest in guests}.values():
        machines.lose_zone(world.clouds, site, zone)
    return ZONE_DARK


def _storm(world: Simulation, cluster: ClusterId) -> timedelta:
    found = [g for g in world.guests(cluster) if _is_spot(g)]
    if not found:
        raise Impossible("spot-storm: no node of the specification is a spot machine")
    world.transcript.note(f"the cloud takes {len(found)} spot machines back")
    for guest in found:
        spot.reclaim(world.clouds, guest.site, guest.thing)
    return timedelta(seconds=spot.lead(found[0].site.cloud))


def _drought(world: Simulation, cluster: ClusterId) -> timedelta:
    workers = [g for g in world.guests(cluster) if g.resource.role is Role.WORKER]
    if not workers:
        raise Impossible("drought: the specification has no worker that could be lost")
    lost = workers[0]
    world.transcript.note(f"{lost.resource.hostname} is lost, and no machine is on sale")
    _for(world, DROUGHT, Fault(Kind.SOLD_OUT))
    machines.end(world.clouds, lost.site, lost.thing, POWER)
    return DROUGHT


def _revoked(world: Simulation, cluster: ClusterId) -> timedelta:
    """The key means nothing for a while, and a worker is lost in it."""
    keys = [key for account in world.clouds.accounts.values() for key in account.keys]

    def become(*, valid: bool) -> None:
        world.transcript.note(f"the cloud {'knows the key again' if valid else 'revokes the key'}")
        for key in keys:
            key.is_valid = valid

    become(valid=False)
    for lost in [g for g in world.guests(cluster) if g.resource.role is Role.WORKER][:1]:
        world.transcript.note(f"{lost.resource.hostname} is lost")
        machines.end(world.clouds, lost.site, lost.thing, POWER)
    world.clouds.timeline.after(AWAY.total_seconds(), lambda: become(valid=True))
    return AWAY


def _api_lost(world: Simulation, cluster: ClusterId) -> timedelta:
    """The API server hangs, and a worker is lost meanwhile."""
    kubernetes = world.kubernetes.cluster(cluster)
    world.transcript.note("the cluster's API server does not answer")
    kubernetes.is_away = True

    def back() -> None:
        world.transcript.note("the cluster's API server answers again")
        kubernetes.is_away = False
        kubernetes.settle()

    for lost in [g for g in world.guests(cluster) if g.resource.role is Role.WORKER][:1]:
        world.transcript.note(f"{lost.resource.hostname} is lost")
        machines.end(world.clouds, lost.site, lost.thing, POWER)
    world.clouds.timeline.after(AWAY.total_seconds(), back)
    return AWAY


def _for(world: Simulation, length: timedelta, fault: Fault) -> None:
    name = world.clouds.faults.add(fault)

    def ends() -> None:
        world.transcript.note("what was sold out is on sale again")
        world.clouds.faults.remove(name)

    world.clouds.timeline.after(length.total_seconds(), ends)


def _is_spot(guest: Guest) -> bool:
    return guest.resource.offering.capacity_type is CapacityType.SPOT


_ALL = (
    Strike("zone-outage", "the zone with most of the machines fails for half an hour", _zone),
    Strike("spot-storm", "the cloud takes all spot machines back at once", _storm),
    Strike("drought", "a worker is lost while no machine is on sale, for 20 minutes", _drought),
    Strike("credentials-revoked", "the key is revoked for 10 minutes, a worker is lost", _revoked),
    Strike("api-server-lost", "the API hangs for 10 minutes, a worker is lost", _api_lost),
)
STRIKES: Mapping[str, Strike] = MappingProxyType({one.name: one for one in _ALL})


def strike(name: str) -> Strike:
    """By its name. Raises Impossible naming those that there are."""
    if name not in STRIKES:
        raise Impossible(f"scenario {name!r} is unknown; there is {', '.join(STRIKES)}")
    return STRIKES[name]
