"""What wakes a cluster between its passes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from tests.core.planner.build import ONE
from tests.reconciler.platform import Stage, story

from holdfast.kube.port import KubeUnreachable
from holdfast.model.ids import cluster_key
from holdfast.model.resource import Role
from holdfast.reconciler import watch
from holdfast.reconciler.world import World


async def is_due(stage: Stage) -> bool:
    return cluster_key(ONE) in [key for key, _ in await stage.store.leases.due()]


@asynccontextmanager
async def watching(
    stage: Stage, watcher: Callable[[World], Awaitable[None]]
) -> AsyncIterator["asyncio.Future[None]"]:
    """The watch runs; its clock moves only when nothing else does."""
    task = asyncio.ensure_future(watcher(stage.world))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def soon(holds: Callable[[], Awaitable[bool]]) -> bool:
    for _ in range(300):
        if await holds():
            return True
        await asyncio.sleep(0.002)
    return False


@story
async def test_a_late_heartbeat_wakes_the_cluster_and_so_does_its_return(stage: Stage) -> None:
    await stage.up(1, 1)
    worker = (await stage.of(Role.WORKER))[0]
    stage.store.heartbeats.changes()
    assert not await is_due(stage)
    stage.clock.turn(stage.store.heartbeats.late_after + 1)
    async with watching(stage, watch.heartbeats):
        assert await soon(lambda: is_due(stage))
    await stage.loop.handle(cluster_key(ONE))
    stage.store.heartbeats.beat(worker.id, stage.clock.now())
    async with watching(stage, watch.heartbeats):
        assert await soon(lambda: is_due(stage))


@story
async def test_the_silence_of_a_machine_that_was_written_off_wakes_nobody(stage: Stage) -> None:
    await stage.up(1, 1)
    worker = (await stage.of(Role.WORKER))[0]
    async with stage.store.writing() as tx:
        lost = replace(worker, written_off_at=stage.clock.now())
        await stage.store.machines.save(tx, lost)
    for machine in await stage.machines():
        if machine.id != worker.id:
            stage.store.heartbeats.forget(machine.id)
    stage.clock.turn(60)
    turns = stage.clock.monotonic()
    async with watching(stage, watch.heartbeats):

        async def has_looked() -> bool:
            return stage.clock.monotonic() > turns + 2 * watch.TICK

        assert await soon(has_looked)
    assert not await is_due(stage)


@story
async def test_a_node_that_changes_wakes_the_cluster(stage: Stage) -> None:
    await stage.up(1, 0)
    async with watching(stage, watch.nodes):
        stage.kubernetes.news.put_nowait("web-1")
        assert await soon(lambda: is_due(stage))


@story
async def test_a_watch_that_breaks_is_opened_again_whatever_broke_it(stage: Stage) -> None:
    await stage.up(1, 0)
    for error in (KubeUnreachable("reset"), ValueError("a bug")):
        stage.kubernetes.news.put_nowait(error)
    async with watching(stage, watch.nodes) as task:

        async def is_empty() -> bool:
            return stage.kubernetes.news.empty()

        assert await soon(is_empty)
        stage.kubernetes.news.put_nowait("web-1")
        assert await soon(lambda: is_due(stage))
        assert not task.done()


@story
async def test_a_cluster_that_is_deleted_is_watched_no_more(stage: Stage) -> None:
    await stage.up(1, 0)
    async with watching(stage, watch.nodes):
        stage.kubernetes.news.put_nowait("web-1")
        assert await soon(lambda: is_due(stage))
        await stage.delete()
        await stage.loop.handle(cluster_key(ONE))
        assert not stage.world.reached.now
        await asyncio.sleep(0.02)
        stage.kubernetes.news.put_nowait("web-1")
        await asyncio.sleep(0.02)
        assert not stage.kubernetes.news.empty()
