"""Leases, failures, the rescan and the engine around passes."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from tests.core.planner.build import ONE
from tests.reconciler.platform import Stage, is_settled, story

from holdfast.identity.certificates import expires_at
from holdfast.model.ids import ClusterId, cluster_key
from holdfast.model.wake import Again, Why
from holdfast.planner.status import SETTLED
from holdfast.reconciler import loop as loops
from holdfast.reconciler.loop import LATER, Loop
from holdfast.reconciler.world import Held
from holdfast.store.errors import LeaseLost

KEY = cluster_key(ONE)


@story
async def test_a_key_that_is_not_due_has_no_pass(stage: Stage) -> None:
    await stage.up(1, 0)
    calls = len(stage.cloud.calls)
    stage.clock.turn(1)
    again = await stage.loop.handle(KEY)
    assert len(stage.cloud.calls) == calls
    assert timedelta(minutes=50) < again.after <= SETTLED


@story
async def test_a_key_that_another_holds_is_waited_for(stage: Stage) -> None:
    await stage.create(1, 0)
    await stage.store.leases.take(KEY, "another", timedelta(seconds=20))
    again = await stage.loop.handle(KEY)
    assert stage.cloud.calls == []
    assert again.after == timedelta(seconds=20)


@story
async def test_an_unknown_and_a_deleted_cluster_are_left_alone(stage: Stage) -> None:
    assert (await stage.loop.handle(cluster_key(ClusterId("none")))).after == SETTLED
    async with stage.store.writing() as tx:
        await stage.store.leases.wake(tx, cluster_key(ClusterId("none")), Why.USER)
    assert (await stage.loop.handle(cluster_key(ClusterId("none")))).after == SETTLED
    assert stage.cloud.calls == []


@story
async def test_a_pass_that_raises_comes_back_in_growing_gaps_and_harms_nobody(
    stage: Stage,
) -> None:
    await stage.create(1, 0)
    well = stage.cloud.observe

    async def broken(*args: Any) -> Any:
        raise ZeroDivisionError

    stage.cloud.observe = broken  # type: ignore[method-assign, assignment]
    gaps = []
    for _ in range(8):
        again = await stage.loop.handle(KEY)
        assert again.why is Why.RETRY
        gaps.append(again.after)
        stage.clock.turn(again.after.total_seconds())
    assert gaps[0] == LATER
    assert gaps[-1] > timedelta(seconds=20)
    stage.cloud.observe = well  # type: ignore[method-assign]
    await stage.until(is_settled)


@story
async def test_a_wake_during_a_pass_makes_it_due_at_once(stage: Stage) -> None:
    await stage.up(1, 0)
    well = stage.cloud.observe

    async def interrupted(*args: Any) -> Any:
        await stage.wake()
        return await well(*args)

    stage.cloud.observe = interrupted  # type: ignore[method-assign, assignment]
    await stage.wake()
    again = await stage.loop.handle(KEY)
    assert again.after == timedelta(0)
    assert again.why is Why.USER
    stage.cloud.observe = well  # type: ignore[method-assign]
    assert (await stage.loop.handle(KEY)).after == SETTLED


@story
async def test_a_settled_pass_writes_twice_and_gives_the_lease_back_with_its_record(
    stage: Stage,
) -> None:
    await stage.up(1, 1)
    await stage.wake()
    writing, writes = stage.store.database.writing, []

    def counted() -> Any:
        writes.append(1)
        return writing()

    stage.store.database.writing = counted  # type: ignore[method-assign]
    await stage.loop.handle(KEY)
    assert len(writes) == 2  # take; record and finish
    assert await stage.store.leases.take(KEY, "next", timedelta(seconds=1)) is None  # not due
    await stage.wake()
    assert await stage.store.leases.take(KEY, "next", timedelta(seconds=1)) is not None


@story
async def test_the_engine_brings_a_cluster_up_by_wakes_and_the_rescan(stage: Stage) -> None:
    """Nobody tells the engine: the rescan finds the row, passes and agents do the rest."""
    await stage.create(1, 1)
    stage.store.on_wake(stage.world.engine.wake)
    serving = asyncio.create_task(loops.run(stage.world, "host:1", 4))
    try:
        for _ in range(3000):
            await asyncio.sleep(0.001)
            plan = await stage.plan()
            if plan and await is_settled(stage):
                break
            await stage.agents()
    finally:
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
    assert await is_settled(stage)
    assert len(stage.cloud.machines()) == 2


@story
async def test_leases_of_an_earlier_process_are_cleared_at_the_start(stage: Stage) -> None:
    await stage.create(1, 0)
    await stage.store.leases.take(KEY, "a dead process", timedelta(hours=1))
    await stage.restart()
    assert isinstance(stage.loop, Loop)
    assert isinstance(await stage.loop.handle(KEY), Again)
    assert "observe" in stage.cloud.calls


@story
async def test_the_client_of_a_cluster_is_renewed_before_its_certificate_expires(
    stage: Stage,
) -> None:
    await stage.up(1, 0)
    assert len(stage.kubernetes.accesses) == 1
    for days, clients in ((19, 1), (2, 2), (19, 2)):
        stage.clock.turn(days * 24 * 3600)
        await stage.wake()
        await stage.step()
        assert len(stage.kubernetes.accesses) == clients
    first, second = (access.certificate_pem for access in stage.kubernetes.accesses)
    assert expires_at(second) - expires_at(first) >= timedelta(days=20)
    await stage.world.kubes.close()
    assert stage.kubernetes.closed == 2


@pytest.mark.fault("F46", "S")
@story
async def test_a_lost_lease_ends_the_pass_before_its_next_effect(stage: Stage) -> None:
    await stage.create(1, 1)

    async def stolen(creation: object) -> None:
        stage.clock.turn(30)
        other = await stage.store.leases.take(KEY, "other", timedelta(seconds=60))
        assert other

    stage.cloud.before_create = stolen
    first = len(stage.cloud.calls)
    await stage.loop.handle(KEY)
    calls = [c for c in stage.cloud.calls[first:] if c.startswith("create")]
    assert 1 <= len(calls) <= 16  # those that were under way at once
    assert len(calls) < 31
    cluster = await stage.cluster()
    assert cluster.reconciled_at is None  # nothing of the pass was recorded


@pytest.mark.fault("F46", "S")
@story
async def test_a_zombie_can_neither_write_nor_act(stage: Stage) -> None:
    """F46: an old holder wakes up after another one took over."""
    await stage.create(1, 1)
    old = await stage.store.leases.take(KEY, "old", timedelta(seconds=20))
    assert old
    held = Held(old, stage.store, stage.clock)
    stage.clock.turn(21)
    new = await stage.store.leases.take(KEY, "new", timedelta(seconds=20))
    assert new
    with pytest.raises(LeaseLost):
        await held.ensure()
    with pytest.raises(LeaseLost):
        async with stage.store.guarded(old) as tx:
            await stage.store.clusters.ask_delete(tx, ONE)
    assert not (await stage.cluster()).is_deleting
