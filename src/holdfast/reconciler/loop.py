"""Takes the lease of a key, runs its pass, gives the lease back with the next time.

The only place that catches every exception: a pass that fails is recorded and comes back.
"""

import asyncio
from datetime import timedelta

import structlog

from holdfast.model.ids import ClusterId, CredentialsId, EngineKey
from holdfast.model.wake import Again, Why
from holdfast.planner.status import SETTLED
from holdfast.reconciler.accounts import account_pass
from holdfast.reconciler.reconcile import reconcile
from holdfast.reconciler.world import Held, World
from holdfast.store.errors import LeaseLost

TTL = timedelta(seconds=20)
PASS_LIMIT = 300.0  # seconds after which a pass counts as hung
RESCAN = 10.0  # seconds between searches for due keys that no wake announced
LATER = timedelta(seconds=1)

_log = structlog.get_logger(__name__)


class Loop:
    """The engine's handler, and the rescan behind it."""

    def __init__(self, world: World, owner: str) -> None:
        self._world = world
        self._owner = owner

    async def handle(self, key: EngineKey) -> Again:
        """One pass of one key. Never raises but when it is cancelled."""
        leases = self._world.store.leases
        lease = await leases.take(key, self._owner, TTL)
        if lease is None:
            wait = await leases.wait(key)
            return Again(SETTLED if wait is None else max(wait, timedelta()), Why.TICK)
        held = Held(lease, self._world.store, self._world.clock)
        ok, again = await self._passed(key, held)
        if held.is_finished:
            return again
        try:
            return await leases.finish(held.lease, ok, again)
        except LeaseLost as lost:
            _log.warning("lease lost", key=key, error=str(lost))
            return Again(LATER, Why.RETRY)

    async def _passed(self, key: EngineKey, held: Held) -> tuple[bool, Again]:
        started = self._world.clock.monotonic()
        limit = asyncio.timeout(PASS_LIMIT)
        try:
            async with limit:
                again = await self._pass(key, held)
        except LeaseLost as lost:
            _log.warning("pass ended", key=key, error=str(lost))
            return False, Again(LATER, Why.RETRY)
        except Exception:  # noqa: BLE001  (the one place: a sick cluster must not end the loop)
            if limit.expired():
                _log.warning("pass ended", key=key, error=f"not done within {PASS_LIMIT:.0f} s")
            else:
                _log.exception("pass failed", key=key)
            return False, Again(LATER, Why.RETRY)
        took = self._world.clock.monotonic() - started
        _log.debug("pass", key=key, seconds=round(took, 3), again=again.after.total_seconds())
        return True, again

    async def _pass(self, key: EngineKey, held: Held) -> Again:
        kind, _, identity = key.partition(":")
        if kind == "account":
            return await account_pass(CredentialsId(identity), held, self._world)
        async with self._world.store.reading() as tx:
            cluster = await self._world.store.clusters.get(tx, ClusterId(identity))
        if cluster is None or cluster.deleted_at is not None:
            return Again(SETTLED, Why.TICK)
        return await reconcile(cluster, held, self._world)

    async def rescan(self) -> None:
        """Every ten seconds: wake what is due and what no wake announced. Runs until cancelled."""
        while True:
            for key, why in await self._world.store.leases.due():
                await self._world.engine.wake(key, why)
            await self._world.clock.sleep(RESCAN)


async def run(world: World, owner: str, concurrency: int, *, alone: bool = True) -> None:
    """Serve passes until cancelled.

    `alone`: no other process serves the database, so leases of an earlier one are cleared first.
    """
    cleared = await world.store.leases.clear_all() if alone else 0
    if cleared:
        _log.info("cleared leases of an earlier process", count=cleared)
    loop = Loop(world, owner)
    async with asyncio.TaskGroup() as group:
        group.create_task(loop.rescan())
        group.create_task(world.engine.run(loop.handle, concurrency))
