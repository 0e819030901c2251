"""A tick of a settled cluster rests on its account's shared listing, and on nothing older."""

from tests.core.planner.build import KEYS, ONE, REGION
from tests.reconciler.platform import Stage, story

from holdfast.model.ids import cluster_key
from holdfast.model.observed import Blind
from holdfast.model.resource import Role
from holdfast.model.wake import Again, Why
from holdfast.planner import status
from holdfast.reconciler import listings


async def tick(stage: Stage) -> Again:
    """The pass of a cluster that nothing but time woke."""
    async with stage.store.writing() as tx:
        await stage.store.leases.wake(tx, cluster_key(ONE), Why.TICK)
    stage.cloud.calls.clear()
    return await stage.loop.handle(cluster_key(ONE))


async def pause(stage: Stage, seconds: float) -> None:
    """Time goes on, and every agent is heard."""
    stage.clock.turn(seconds)
    for machine in await stage.machines():
        stage.store.heartbeats.beat(machine.id, stage.clock.now())


async def listed(stage: Stage) -> None:
    """A settled cluster, and a shared listing that shows all of it."""
    await stage.up(1, 1)
    await pause(stage, 60)
    await stage.account_pass()


@story
async def test_a_tick_lists_nothing_while_all_is_as_wanted(stage: Stage) -> None:
    await listed(stage)
    before = await stage.cluster()
    again = await tick(stage)
    assert stage.cloud.calls == []
    assert again.after == status.SETTLED
    after = await stage.cluster()
    assert after.reconciled_at == stage.clock.now()
    assert after.revision == before.revision


@story
async def test_any_other_wake_asks_the_cloud(stage: Stage) -> None:
    await listed(stage)
    stage.cloud.calls.clear()
    await stage.wake()
    await stage.loop.handle(cluster_key(ONE))
    assert stage.cloud.calls == ["observe"]


@story
async def test_a_listing_that_is_old_or_blind_is_of_no_use(stage: Stage) -> None:
    await listed(stage)
    await pause(stage, listings.YOUNG.total_seconds() + 1)
    await tick(stage)
    assert stage.cloud.calls == ["observe"]
    await stage.account_pass()
    now = stage.clock.now()
    blind = Blind(frozenset({"Subnet"}), "no answer", "Unavailable")
    stage.world.listings.put(KEYS, REGION, [blind], now)
    assert stage.world.listings.of(KEYS, REGION, ONE, now) is None
    await tick(stage)
    assert stage.cloud.calls == ["observe"]


@story
async def test_what_a_listing_shows_wrong_is_looked_at_before_it_is_healed(stage: Stage) -> None:
    """A machine that only the old listing lacks is not replaced: the cloud itself shows it."""
    await listed(stage)
    machine = (await stage.of(Role.WORKER))[0]
    now = stage.clock.now()
    shown = stage.world.listings.of(KEYS, REGION, ONE, now)
    assert shown
    without = [seen for seen in shown if seen.id != machine.provider_id]
    stage.world.listings.put(KEYS, REGION, without, now)
    await tick(stage)
    assert stage.cloud.calls == ["observe"]
    assert (await stage.of(Role.WORKER))[0].id == machine.id


@story
async def test_a_silent_agent_is_reason_enough_to_ask(stage: Stage) -> None:
    await listed(stage)
    stage.clock.turn(stage.store.heartbeats.late_after + 1)
    await tick(stage)
    assert stage.cloud.calls == ["observe"]


@story
async def test_a_cluster_that_is_gone_leaves_nothing_behind_in_memory(stage: Stage) -> None:
    await listed(stage)
    await stage.delete()

    async def is_gone(stage: Stage) -> bool:
        async with stage.store.reading() as tx:
            found = await stage.store.clusters.get(tx, ONE)
        return found is not None and found.deleted_at is not None

    await stage.until(is_gone)
    world = stage.world
    assert ONE not in world.reached.now
    assert ONE not in world.told.last
    assert ONE not in world.pauses.known
    assert not world.listings.of(KEYS, REGION, ONE, stage.clock.now())
