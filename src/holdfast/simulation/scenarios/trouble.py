"""Clouds that do not answer as they should."""

from datetime import timedelta

from holdfast.model.offering import Cloud
from holdfast.model.resource import Role
from holdfast.providers.sim.faults import Fault, Kind
from holdfast.providers.sim.strangers import Stranger
from holdfast.simulation.invariants import Expected
from holdfast.simulation.quiet import until_quiet
from holdfast.simulation.scenarios.story import Scenario, created, of_role
from holdfast.simulation.world import Simulation

OUTAGE = timedelta(minutes=8)
REVOKED = 600.0  # seconds


async def _revoked(world: Simulation) -> Expected:
    """The key is revoked while the cluster is made, and valid again ten minutes later."""
    await world.user.connect(Cloud.AWS)
    await world.user.create("web")
    account = next(iter(world.clouds.accounts.values()))
    while not any(call.verb == "create" for call in world.clouds.record.calls):
        await world.clock.sleep(0.5)
    world.transcript.note("the key is revoked")
    account.keys[0].is_valid = False
    await world.clock.sleep(REVOKED)
    world.transcript.note("the key is valid again")
    account.keys[0].is_valid = True
    await until_quiet(world)
    return Expected()


async def _outage(world: Simulation) -> Expected:
    """For eight minutes nothing can be listed, and half of the time nothing made; a worker dies."""
    cluster = await created(world)
    now = world.clock.now()
    lost = of_role(world, cluster, Role.WORKER)[0]
    blind = Fault(Kind.OUTAGE, cloud="aws", verb="observe", since=now, until=now + OUTAGE)
    deaf = Fault(Kind.OUTAGE, cloud="aws", verb="create", since=now, until=now + OUTAGE * 1.5)
    world.transcript.note("the region's API fails")
    for fault in (blind, deaf):
        world.clouds.faults.add(fault)
    await world.clock.sleep(60.0)
    world.transcript.note(f"{lost.resource.hostname} ends")
    Stranger(world.clouds, lost.site).delete(lost.thing)
    await until_quiet(world)
    return Expected(lost=1)


TROUBLE = (
    Scenario("revoked", "the key is revoked midway and returned", _revoked),
    Scenario("outage", "a part of the region's API fails", _outage),
)
