"""The store's door: opens the database, migrates it, and gathers the nouns.

async with await open_store(url, vault, clock, chance) as store:
    async with store.guarded(lease) as tx:
        await store.machines.save(tx, *machines)
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from holdfast.clock import Chance, Clock
from holdfast.model.ids import ClusterId, EngineKey
from holdfast.model.wake import Why
from holdfast.store.agents import Agents
from holdfast.store.certificates import Certificates
from holdfast.store.clusters import Clusters
from holdfast.store.credentials import Credentials
from holdfast.store.database import Database, Tx
from holdfast.store.events import Events
from holdfast.store.feed import Feed
from holdfast.store.heartbeats import Heartbeats
from holdfast.store.installation import Installations
from holdfast.store.intents import Intents
from holdfast.store.leases import Lease, Leases
from holdfast.store.lockfile import LockFile
from holdfast.store.machines import Machines
from holdfast.store.marks import Beside, MarkFile, Marks
from holdfast.store.migrate import migrate
from holdfast.store.observe_only import ObserveOnly
from holdfast.store.orders import Orders
from holdfast.store.orphans import Orphans
from holdfast.store.refusals import Refusals
from holdfast.store.regions import Regions
from holdfast.store.rotation import rewrap
from holdfast.store.secrets import Secrets
from holdfast.store.things import Things
from holdfast.store.tokens import Tokens
from holdfast.store.vault import Vault

ChangeListener = Callable[[ClusterId], None]
WakeListener = Callable[[EngineKey, Why], Awaitable[None]]


class Store:
    """All nouns, and the transactions that they are written in."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        clock: Clock,
        chance: Chance,
        lock: LockFile | None = None,
        beside: Beside | None = None,
    ) -> None:
        self.database = database
        self.feed = Feed()
        self.heartbeats = Heartbeats(clock)
        self.leases = Leases(database, clock, chance)
        self.clusters = Clusters(clock)
        self.machines = Machines()
        self.intents = Intents()
        self.things = Things()
        self.credentials = Credentials(vault, clock)
        self.regions = Regions(clock, chance)
        self.secrets = Secrets(vault)
        self.agents = Agents(vault, clock)
        self.orders = Orders(clock)
        self.events = Events(clock)
        self.certificates = Certificates()
        self.tokens = Tokens(clock, chance)
        self.installation = Installations(vault, clock, chance)
        self.refusals = Refusals(clock)
        self.observe_only = ObserveOnly(clock, self.events, self.leases)
        self.orphans = Orphans()
        self.marks = Marks(clock, beside)
        self._vault = vault
        self._lock = lock
        self._listeners: list[WakeListener] = []
        self._change_listeners: list[ChangeListener] = []

    def on_wake(self, listener: WakeListener) -> None:
        """Call it for every wake, after its commit: the engine's `wake`."""
        self._listeners.append(listener)

    def on_change(self, listener: ChangeListener) -> None:
        """Call it for every commit that changed a cluster's row, machines or orders, right after
        it: for who keeps what was read of them."""
        self._change_listeners.append(listener)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Tx]:
        """A consistent view of everything."""
        async with self.database.reading() as tx:
            yield tx

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Tx]:
        """All or nothing; events and wakes are told after the commit.

        A crash between commit and telling loses nothing: events are in the table, and a wake is
        a due row that the rescan finds.
        """
        told: Tx | None = None
        try:
            async with self.database.writing() as tx:
                told = tx
                yield tx
        finally:
            if told is not None and told.is_committed:
                for cluster in told.changed:
                    for hears in self._change_listeners:
                        hears(cluster)
                self.feed.publish(told.events)
        for key, why in told.wakes:
            for listener in self._listeners:
                await listener(key, why)

    @asynccontextmanager
    async def guarded(self, lease: Lease) -> AsyncIterator[Tx]:
        """A write that only the present holder of the lease can make. Raises LeaseLost."""
        async with self.writing() as tx:
            await self.leases.guard(tx, lease)
            yield tx

    async def rewrap(self, tx: Tx) -> int:
        """Put every sealed value under the newest master key; returns how many were not."""
        return await rewrap(tx, self._vault)

    async def close(self) -> None:
        """Close the database and let another process have it."""
        await self.database.close()
        if self._lock is not None:
            self._lock.release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


async def open_store(url: str, vault: Vault, clock: Clock, chance: Chance) -> Store:
    """Lock, migrate and open a database; SQLite in a file or in memory.

    Raises DatabaseInUse when another process serves it, UnusableDatabase when it can't be used.
    """
    database = Database(url)
    file = database.file
    lock = beside = None
    if file is not None:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock, beside = LockFile(file), MarkFile(file)
    return await started(Store(database, vault, clock, chance, lock, beside))


async def started(store: Store) -> Store:
    """Bring a new store's database up to date and expect the agents that it knows.

    A database that is older than what was done with it starts observe-only. Raises
    UnusableDatabase; the store is closed then.
    """
    try:
        await migrate(store.database)
        await _judged(store)
        async with store.reading() as tx:
            store.heartbeats.expect(await store.agents.heard(tx))
    except BaseException:
        await store.close()
        raise
    return store


async def _judged(store: Store) -> None:
    """Nothing is done on the word of an old database before a person has looked."""
    async with store.reading() as tx:
        verdict = await store.marks.judged(tx)
    if verdict is None:
        return
    if verdict.doubt:
        async with store.writing() as tx:
            await store.observe_only.enter(tx, verdict.doubt)
            await store.marks.settle(tx, verdict.mark)
    await store.marks.keep(verdict.mark)
