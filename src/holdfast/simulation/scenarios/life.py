"""Clusters that are made and deleted."""

from holdfast.model.offering import Cloud
from holdfast.providers.sim import truth
from holdfast.providers.sim.strangers import Stranger
from holdfast.simulation.invariants import Expected, installation
from holdfast.simulation.quiet import until_quiet
from holdfast.simulation.scenarios.story import Broken, Scenario, created
from holdfast.simulation.world import Simulation

BLOCKED = 1800.0  # seconds that a scenario gives a deletion to say that it is blocked


async def _create(world: Simulation) -> Expected:
    await created(world)
    return Expected(is_calm=True)


async def _create_three(world: Simulation) -> Expected:
    """Three control planes are spread over three zones."""
    await created(world, control_planes=3)
    return Expected(is_calm=True)


async def _neighbours(world: Simulation) -> Expected:
    """Four clusters of one account at once; one is deleted, the others do not notice."""
    await world.user.connect(Cloud.AWS)
    made = [await world.user.create(f"web-{number}", 1, 1) for number in range(4)]
    await until_quiet(world)
    await world.user.delete(made[0])
    await until_quiet(world)
    return Expected()


async def _delete(world: Simulation) -> Expected:
    cluster = await created(world)
    await world.user.delete(cluster)
    await until_quiet(world)
    return Expected(is_calm=True)


async def _delete_with_foreigner(world: Simulation) -> Expected:
    """Somebody's machine in our subnet blocks it: it fails visibly, and ends when that one goes."""
    cluster = await created(world)
    site = world.guests(cluster)[0].site
    here = installation(world)
    ours = {thing.kind: thing for _, thing in truth.ours(world.clouds, here, cluster)}
    foreign = Stranger(world.clouds, site).machine(ours["Subnet"].id, ours["FirewallGroup"].id)
    while truth.outstanding(world.clouds):
        await world.clock.sleep(5.0)
    digest = truth.foreign_digest(world.clouds, here)
    await world.user.delete(cluster)
    if not await world.user.wait_for(cluster, "failed", BLOCKED):
        raise Broken("I4", "the deletion is blocked and never said so")
    if truth.foreign_digest(world.clouds, here) != digest:
        raise Broken("I3", "something foreign changed while the deletion was blocked")
    world.transcript.note("the foreigner leaves")
    Stranger(world.clouds, site).delete(foreign)
    await until_quiet(world)
    return Expected()


LIFE = (
    Scenario("create", "one control plane and two workers", _create),
    Scenario("create-ha", "three control planes over three zones", _create_three),
    Scenario("neighbours", "four clusters at once, one of which is deleted", _neighbours),
    Scenario("delete", "a cluster is deleted", _delete),
    Scenario("delete-foreigner", "a foreign machine blocks the deletion", _delete_with_foreigner),
)
