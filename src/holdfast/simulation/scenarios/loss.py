"""Machines that end, stand still or are taken back."""

from holdfast.model.resource import Role
from holdfast.providers.sim import spot
from holdfast.providers.sim.faults import Fault, Kind
from holdfast.providers.sim.strangers import Stranger
from holdfast.simulation.invariants import Expected
from holdfast.simulation.quiet import until_quiet
from holdfast.simulation.scenarios.story import Scenario, created, gone, of_role, with_pods
from holdfast.simulation.world import Simulation


async def _heal_worker(world: Simulation) -> Expected:
    cluster = await created(world)
    with_pods(world, cluster)
    await until_quiet(world)
    lost = of_role(world, cluster, Role.WORKER)[0]
    world.transcript.note(f"somebody terminates {lost.resource.hostname}")
    Stranger(world.clouds, lost.site).delete(lost.thing)
    await until_quiet(world)
    return Expected(is_calm=True, lost=1)


async def _heal_frozen(world: Simulation) -> Expected:
    """The cloud goes on to call the machine running: node and agent must both be silent."""
    cluster = await created(world)
    with_pods(world, cluster)
    lost = of_role(world, cluster, Role.WORKER)[0]
    world.transcript.note(f"{lost.resource.hostname} stands still")
    world.machines.freeze(lost.machine)
    await gone(world, lost)
    await until_quiet(world)
    return Expected(is_calm=True, lost=1)


async def _heal_control_plane(world: Simulation) -> Expected:
    cluster = await created(world, control_planes=3)
    lost = of_role(world, cluster, Role.CONTROL_PLANE)[0]
    world.transcript.note(f"somebody terminates {lost.resource.hostname}")
    Stranger(world.clouds, lost.site).delete(lost.thing)
    await until_quiet(world)
    return Expected(is_calm=True, lost=1)


async def _spot_storm(world: Simulation) -> Expected:
    cluster = await created(world, workers=4, spot=True)
    with_pods(world, cluster)
    await until_quiet(world)
    site = world.guests(cluster)[0].site
    struck = spot.storm(world.clouds, site)
    world.transcript.note(f"the cloud takes {len(struck)} spot machines back")
    await until_quiet(world)
    return Expected(is_calm=True, lost=len(struck))


async def _vanish(world: Simulation) -> Expected:
    """A worker is missing from every listing, without a word of its end."""
    cluster = await created(world)
    lost = of_role(world, cluster, Role.WORKER)[0]
    world.transcript.note(f"{lost.resource.hostname} vanishes")
    Stranger(world.clouds, lost.site).delete(lost.thing)
    fault = Fault(Kind.HIDDEN, cloud="aws", subject=lost.thing)
    world.clouds.faults.add(fault)
    await until_quiet(world)
    return Expected(lost=1)


LOSS = (
    Scenario("heal-worker", "a worker is terminated by somebody else", _heal_worker),
    Scenario("heal-frozen", "a worker stands still and the cloud calls it running", _heal_frozen),
    Scenario("heal-control-plane", "one of three control planes ends", _heal_control_plane),
    Scenario("spot-storm", "all spot workers get a notice at once", _spot_storm),
    Scenario("vanish", "a worker disappears from the listings", _vanish),
)
