"""Clusters over several zones and clouds, and what befalls one of those."""

from collections.abc import Callable
from datetime import timedelta

from holdfast.model.ids import ClusterId
from holdfast.model.offering import Cloud
from holdfast.model.resource import Role
from holdfast.providers.sim.faults import Fault, Kind
from holdfast.providers.sim.strangers import Stranger
from holdfast.simulation.invariants import Expected
from holdfast.simulation.machines import Guest
from holdfast.simulation.quiet import until_quiet
from holdfast.simulation.scenarios.story import Broken, Scenario, created, gone, of_role
from holdfast.simulation.world import Simulation

Where = Callable[[Guest], bool]
TWO = (Cloud.AWS, Cloud.GCP)
FOUR = (Cloud.AWS, Cloud.GCP, Cloud.AZURE, Cloud.DO)
OUTAGE = timedelta(minutes=30)
HEALED = 900.0  # seconds within which a worker elsewhere must be replaced
SHOWN = 1800.0  # seconds within which an open breaker must say so


async def _create_zones(world: Simulation) -> Expected:
    """Three control planes and six workers, over three zones."""
    cluster = await created(world, control_planes=3, workers=6)
    for role in Role:
        zones = {_zone(guest) for guest in of_role(world, cluster, role)}
        if len(zones) != 3:
            raise Broken("I4", f"{role.value} machines are in {sorted(zones)}, wanted three zones")
    return Expected(is_calm=True)


async def _create_clouds(world: Simulation) -> Expected:
    """Three control planes and five workers, over four clouds."""
    cluster = await created(world, control_planes=3, workers=5, clouds=FOUR)
    clouds = {guest.resource.offering.cloud for guest in world.guests(cluster)}
    if clouds != set(FOUR):
        raise Broken("I4", f"the machines are on {sorted(clouds)} only")
    return Expected()


async def _heal_clouds(world: Simulation) -> Expected:
    """A worker of each cloud ends, one after the other; each is replaced where it was."""
    cluster = await created(world, control_planes=3, workers=4, clouds=FOUR)
    for cloud in FOUR:
        lost = next(g for g in of_role(world, cluster, Role.WORKER) if _cloud(g) is cloud)
        world.transcript.note(f"somebody terminates {lost.resource.hostname}")
        Stranger(world.clouds, lost.site).delete(lost.thing)
        await until_quiet(world)
        if not any(_cloud(guest) is cloud for guest in of_role(world, cluster, Role.WORKER)):
            raise Broken("I4", f"the worker on {cloud.value} was not replaced there")
    return Expected(lost=len(FOUR))


async def _delete_clouds(world: Simulation) -> Expected:
    cluster = await created(world, control_planes=3, workers=5, clouds=FOUR)
    await world.user.delete(cluster)
    await until_quiet(world)
    return Expected()


async def _outage_cloud(world: Simulation) -> Expected:
    """One of two clouds cannot be read for half an hour; the other one's worker ends and heals."""
    cluster = await created(world, control_planes=1, workers=4, clouds=TWO)
    now = world.clock.now()
    world.transcript.note("gcp cannot be listed")
    world.clouds.faults.add(
        Fault(Kind.OUTAGE, cloud="gcp", verb="observe", since=now, until=now + OUTAGE)
    )
    await _heals_elsewhere(world, cluster, lambda guest: _cloud(guest) is Cloud.AWS)
    await until_quiet(world)
    return Expected(lost=1)


async def _outage_zone(world: Simulation) -> Expected:
    """A zone answers no call, and its machines are cut off: nothing of it is healed meanwhile.

    A worker in another zone ends and is replaced before the outage is over.
    """
    cluster = await created(world, control_planes=3, workers=6)
    zone = _zone(of_role(world, cluster, Role.WORKER)[0])
    struck = [guest for guest in world.guests(cluster) if _zone(guest) == zone]
    now = world.clock.now()
    world.transcript.note(f"zone {zone} fails")
    for verb in ("observe", "create"):
        world.clouds.faults.add(
            Fault(Kind.OUTAGE, zone=zone, verb=verb, since=now, until=now + OUTAGE)
        )
    for guest in struck:
        world.machines.cut_off(guest.machine)
    await world.clock.sleep(60.0)
    await _heals_elsewhere(world, cluster, lambda guest: _zone(guest) != zone)
    while world.clock.now() < now + OUTAGE - timedelta(minutes=1):
        await world.clock.sleep(30.0)
    _all_there(struck)
    world.transcript.note(f"zone {zone} is back")
    for guest in struck:
        world.machines.join_up(guest.machine)
    await until_quiet(world)
    _all_there(struck)
    return Expected(lost=1)


async def _half_blind(world: Simulation) -> Expected:
    """Three of five workers stand still: none is replaced until a user gives a reason."""
    cluster = await created(world, workers=5)
    frozen = of_role(world, cluster, Role.WORKER)[:3]
    for guest in frozen:
        world.machines.freeze(guest.machine)
        await world.clock.sleep(20.0)
    world.transcript.note("three workers stand still")
    await _breaker_opens(world, cluster)
    await world.clock.sleep(OUTAGE.total_seconds())
    _all_there(frozen)
    await world.user.release_breaker(cluster, "the rack burnt down")
    for guest in frozen:
        await gone(world, guest)
    await until_quiet(world)
    return Expected(lost=len(frozen))


async def _half_blind_back(world: Simulation) -> Expected:
    """Three of five workers are cut off, and are back after an hour: none was replaced."""
    cluster = await created(world, workers=5)
    cut = of_role(world, cluster, Role.WORKER)[:3]
    for guest in cut:
        world.machines.cut_off(guest.machine)
    world.transcript.note("three workers are cut off")
    await _breaker_opens(world, cluster)
    await world.clock.sleep(OUTAGE.total_seconds())
    for guest in cut:
        world.machines.join_up(guest.machine)
    await until_quiet(world)
    _all_there(cut)
    return Expected()


async def _heals_elsewhere(world: Simulation, cluster: ClusterId, where: Where) -> None:
    """A worker out of the trouble's reach ends, and its replacement is Ready soon."""
    lost = next(guest for guest in of_role(world, cluster, Role.WORKER) if where(guest))
    world.transcript.note(f"somebody terminates {lost.resource.hostname}")
    Stranger(world.clouds, lost.site).delete(lost.thing)
    before = {guest.machine for guest in world.guests(cluster)}
    until = world.clock.monotonic() + HEALED
    while not any(_is_ready(world, g) for g in world.guests(cluster) if g.machine not in before):
        if world.clock.monotonic() > until:
            raise Broken("I12", f"{lost.resource.hostname} was not replaced during the outage")
        await world.clock.sleep(5.0)


async def _breaker_opens(world: Simulation, cluster: ClusterId) -> None:
    """Wait until the platform says that the breaker is open. Raises Broken."""
    until = world.clock.monotonic() + SHOWN
    while world.clock.monotonic() < until:
        shown = (await world.user.cluster(cluster))["conditions"]
        if any(c["type"] == "BreakerClosed" and not c["status"] for c in shown):
            return
        await world.clock.sleep(5.0)
    raise Broken("I16", "many machines look broken and no breaker shows itself")


def _is_ready(world: Simulation, guest: Guest) -> bool:
    node = world.kubernetes.cluster(guest.cluster).nodes.get(guest.resource.hostname)
    return node is not None and node.ready is True


def _all_there(guests: list[Guest]) -> None:
    for guest in guests:
        if not guest.runs:
            raise Broken("I16", f"{guest.resource.hostname} was removed although nobody said so")


def _zone(guest: Guest) -> str:
    return guest.resource.offering.zone


def _cloud(guest: Guest) -> Cloud:
    return guest.resource.offering.cloud


SPREAD = (
    Scenario("create-zones", "control planes and workers over three zones", _create_zones),
    Scenario("create-clouds", "one cluster over four clouds", _create_clouds),
    Scenario("heal-clouds", "a worker ends on each of four clouds", _heal_clouds),
    Scenario("delete-clouds", "a cluster over four clouds is deleted", _delete_clouds),
    Scenario("outage-cloud", "one of two clouds cannot be read for half an hour", _outage_cloud),
    Scenario("outage-zone", "a zone fails, and nothing of it is healed", _outage_zone),
    Scenario("half-blind", "many workers stand still; a user releases the breaker", _half_blind),
    Scenario("half-blind-back", "many workers are cut off and come back", _half_blind_back),
)
