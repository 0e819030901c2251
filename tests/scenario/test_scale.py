"""Many clusters in one account: no rate is exceeded, and nobody starves behind another."""

import asyncio
from collections import Counter

import pytest

from holdfast.model.ids import ClusterId, cluster_key
from holdfast.model.offering import Cloud
from holdfast.model.wake import Why
from holdfast.simulation.agent import Heartbeats
from holdfast.simulation.quiet import rows, until_quiet
from holdfast.simulation.run import logged, virtually
from holdfast.simulation.world import Settings, Simulation

CLUSTERS = 12
LIGHT = Settings(heartbeats=Heartbeats.LIGHT)
A_LISTING = 70.0  # virtual seconds in which the shared listing is made at least once
MOST = 3  # listings of a kind a minute


async def looked_at(world: Simulation) -> None:
    """Every cluster has one more pass because time went by."""
    before = {row.id: row.reconciled_at for row in rows(world.disk.raw)}
    await world.platform.wake([cluster_key(cluster) for cluster in before], Why.TICK)
    while any(before[row.id] == row.reconciled_at for row in rows(world.disk.raw)):
        await world.clock.sleep(1.0)


@pytest.mark.fault("F21", "S")
def test_throttling_is_account_wide() -> None:
    """One budget for all clusters of an account, and one listing for all that are at rest."""

    async def play() -> None:
        async with Simulation.open(LIGHT) as world:
            with logged(world):
                await world.user.connect(Cloud.AWS)
                for number in range(CLUSTERS):
                    await world.user.create(f"web-{number}")
                await until_quiet(world)
                assert {row.phase for row in rows(world.disk.raw)} == {"ready"}
                assert not world.clouds.record.refused
                await world.clock.sleep(A_LISTING)
                listed = Counter(world.clouds.record.reads)
                await looked_at(world)
                await world.clock.sleep(60.0)
                more = Counter(world.clouds.record.reads) - listed
                assert max(more.values()) <= MOST

    virtually(play())


async def time_to_ready(world: Simulation, name: str) -> float:
    began = world.clock.monotonic()
    cluster = await world.user.create(name)
    assert await world.user.wait_for(cluster, "ready")
    return world.clock.monotonic() - began


async def be_noisy(world: Simulation, cluster: ClusterId) -> None:
    while True:
        await world.platform.wake([cluster_key(cluster)], Why.USER)
        await world.clock.sleep(0.05)


@pytest.mark.fault("F39", "S")
def test_a_noisy_cluster_keeps_nobody_waiting() -> None:
    """One cluster is woken all the time, and only one pass can run at once."""

    async def play() -> None:
        async with Simulation.open(Settings(heartbeats=Heartbeats.LIGHT, concurrency=1)) as world:
            with logged(world):
                await world.user.connect(Cloud.AWS)
                alone = await time_to_ready(world, "first")
                first = next(iter(rows(world.disk.raw))).id
                noise = asyncio.ensure_future(be_noisy(world, first))
                beside = await time_to_ready(world, "second")
                noise.cancel()
                assert beside <= 1.5 * alone

    virtually(play())
