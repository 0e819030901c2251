"""Spot: the cloud takes machines back, after a notice with that cloud's own lead time."""

from collections.abc import Sequence
from datetime import timedelta

from holdfast.model.ids import ProviderId
from holdfast.model.observed import Life
from holdfast.model.offering import CapacityType, Cloud
from holdfast.model.resource import VirtualMachine
from holdfast.providers.sim import machines
from holdfast.providers.sim.account import Site
from holdfast.providers.sim.clouds import TRAITS
from holdfast.providers.sim.things import Thing
from holdfast.providers.sim.world import World

ENDED = {
    Cloud.AWS: "terminated: Server.SpotInstanceTermination: Spot instance termination",
    Cloud.GCP: "terminated: compute.instances.preempted: Instance was preempted",
    Cloud.AZURE: "terminated: Preempt: evicted for capacity",
}


def lead(cloud: Cloud) -> float:
    """Seconds between notice and end. Raises ValueError for a cloud that sells nothing as spot."""
    found = TRAITS[cloud].spot_lead
    if found is None:
        message = f"{cloud.value} sells no spot machines"
        raise ValueError(message)
    return found


def reclaim(
    world: World, site: Site, machine: ProviderId, *, silent: bool = False, stops: bool = False
) -> None:
    """The cloud takes a spot machine back: notice now, end after the lead time.

    silent  without a notice: notices are best effort on every cloud
    stops   it stops and stays, disk and all, as GCP does without a termination action

    Raises LookupError for a machine that does not run as spot.
    """
    world.timeline.settle()
    if machine not in {thing.id for thing in running(site)}:
        message = f"{machine} is no running spot machine of {site}"
        raise LookupError(message)
    seconds = lead(site.cloud)
    thing = site.shelf.living(machine)
    if thing is not None and not silent:
        deadline = world.moment() + timedelta(seconds=seconds)
        world.tell_notice(site, thing, "notice", "stop" if stops else "terminate", deadline)
    world.timeline.after(
        0.0 if silent else seconds, lambda: _take(world, site, machine, stops=stops)
    )


def rebalance(world: World, site: Site, machine: ProviderId) -> None:
    """A hint without a deadline that a machine may be taken back soon (AWS)."""
    thing = site.shelf.living(machine)
    if thing is not None:
        world.tell(site, thing, "rebalance")


def storm(world: World, site: Site, share: float = 1.0) -> tuple[ProviderId, ...]:
    """Take back a share of all running spot machines at once; returns whose notices went out."""
    world.timeline.settle()
    struck = [
        thing.id
        for thing in running(site)
        if world.draws.unit("storm", world.moment(), thing.id) < share
    ]
    for machine in struck:
        reclaim(world, site, machine)
    return tuple(struck)


def running(site: Site) -> Sequence[Thing]:
    """All running spot machines of a site, whoever owns them."""
    found = []
    for history in site.shelf.histories.values():
        thing = history.thing
        if thing is None or thing.life is not Life.PRESENT:
            continue
        if not isinstance(thing.resource, VirtualMachine):
            continue
        if thing.resource.offering.capacity_type is CapacityType.SPOT:
            found.append(thing)
    return found


def _take(world: World, site: Site, machine: ProviderId, *, stops: bool) -> None:
    if stops:
        machines.stop(world, site, machine, ENDED[site.cloud])
    else:
        machines.terminate(world, site, machine, ENDED[site.cloud])
