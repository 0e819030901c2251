"""Wakes clusters by what happens between passes: silent agents, nodes that change."""

import asyncio
from collections.abc import Iterable

import structlog

from holdfast.kube.port import KubeUnreachable
from holdfast.model.ids import ClusterId, cluster_key
from holdfast.model.wake import Why
from holdfast.reconciler.observe import PKI, kube_of
from holdfast.reconciler.world import World

TICK = 1.0  # seconds between looks at heartbeats
RETRY = 5.0  # seconds before a broken watch is opened again

_log = structlog.get_logger(__name__)


async def heartbeats(world: World) -> None:
    """Wake the cluster of every machine whose heartbeat became late or came back."""
    while True:
        changed = world.store.heartbeats.changes()
        if changed:
            async with world.store.writing() as tx:
                for machine_id in changed:
                    machine = await world.store.machines.get(tx, machine_id)
                    if machine is not None and machine.is_wanted:
                        key = cluster_key(machine.cluster)
                        await world.store.leases.wake(tx, key, Why.USER)
        await world.clock.sleep(TICK)


async def nodes(world: World) -> None:
    """One watch per cluster whose API is up; clusters come and go."""
    reached = world.reached
    for cluster in await _known_before(world):
        reached.note(cluster, is_reached=True)
    watched: dict[ClusterId, asyncio.Task[None]] = {}
    async with asyncio.TaskGroup() as group:
        while True:
            reached.changed.clear()
            for gone in sorted(watched.keys() - reached.now.keys()):
                watched.pop(gone).cancel()
            for cluster in sorted(reached.now.keys() - watched.keys()):
                watched[cluster] = group.create_task(_watch(cluster, world))
            await reached.changed.wait()


async def _known_before(world: World) -> Iterable[ClusterId]:
    """After a start the first pass of a settled cluster may be an hour away."""
    async with world.store.reading() as tx:
        return await world.store.clusters.with_endpoint(tx)


async def _watch(cluster_id: ClusterId, world: World) -> None:
    while True:
        try:
            await _follow(cluster_id, world)
        except KubeUnreachable as error:
            _log.debug("watch ended", cluster=cluster_id, error=str(error))
        except Exception:  # noqa: BLE001  (one cluster's watch must not end those of all others)
            _log.exception("watch failed", cluster=cluster_id)
        await world.clock.sleep(RETRY)


async def _follow(cluster_id: ClusterId, world: World) -> None:
    """Follow node changes; the first answer lists all nodes, which wakes once and is harmless."""
    store = world.store
    async with store.reading() as tx:
        cluster = await store.clusters.get(tx, cluster_id)
        machines = await store.machines.of_cluster(tx, cluster_id)
        keys = await store.secrets.get(tx, cluster_id, PKI)
    client = None if cluster is None else kube_of(cluster, machines, keys, world)
    if client is None:
        world.reached.note(cluster_id, is_reached=False)  # the pass that can reach it says so
        return
    async for _ in client.changes():
        async with store.writing() as tx:
            await store.leases.wake(tx, cluster_key(cluster_id), Why.USER)
