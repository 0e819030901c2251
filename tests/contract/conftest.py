"""What the suites of store and engine share: still clocks, seeded chance, values to save."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from holdfast.engine.memory import MemoryEngine
from holdfast.model.cluster import Cluster
from holdfast.model.ids import (
    ClusterId,
    CredentialsId,
    EngineKey,
    MachineId,
    RequestId,
)
from holdfast.model.machine import Machine
from holdfast.model.offering import CapacityType, Cloud, OfferingKey, Shape
from holdfast.model.resource import Role
from holdfast.model.spec import CloudSpec, ClusterSpec, NodeRequest
from holdfast.model.status import ClusterPhase
from holdfast.model.wake import Again, Why
from holdfast.providers.sim.effects import Quiet
from holdfast.simulation.disk import Disk
from holdfast.simulation.time import SeededChance, VirtualLoop
from holdfast.store.store import Store, open_store, started
from holdfast.store.vault import Vault

AT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
ONE = ClusterId("c1")
KEYS = CredentialsId("k1")


class HandClock:
    """Time passes only when a test says so."""

    def __init__(self) -> None:
        self._now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
        self._seconds = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._seconds

    async def sleep(self, seconds: float) -> None:
        self.turn(seconds)
        await asyncio.sleep(0)

    def turn(self, seconds: float) -> None:
        """Both clocks go on."""
        self._now += timedelta(seconds=seconds)
        self._seconds += seconds

    def jump(self, seconds: float) -> None:
        """The wall clock alone is set."""
        self._now += timedelta(seconds=seconds)


Opened = Callable[[], AbstractAsyncContextManager[Store]]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def chance() -> SeededChance:
    return SeededChance(1)


@pytest.fixture
def vault(chance: SeededChance) -> Vault:
    return Vault([b"k" * 32], chance)


@pytest.fixture(params=["file", "memory", "simulated"])
def kept(request: pytest.FixtureRequest) -> str:
    """Where the database is; a simulation's asks the driver itself, and must answer the same."""
    return str(request.param)


@pytest.fixture
def url(kept: str, tmp_path: Path) -> str:
    if kept == "file":
        return f"sqlite+aiosqlite:///{tmp_path}/holdfast.db"
    return "sqlite+aiosqlite://"


@pytest.fixture
def opened(kept: str, url: str, vault: Vault, clock: HandClock, chance: SeededChance) -> Opened:
    """Opens the store: `async with opened() as store`."""

    @asynccontextmanager
    async def _open() -> AsyncIterator[Store]:
        if kept == "simulated":
            database = Disk(Quiet()).database(lambda: True)
            opening = started(Store(database, vault, clock, chance))
        else:
            opening = open_store(url, vault, clock, chance)
        async with await opening as store:
            yield store

    return _open


Story = Callable[[Store], Coroutine[Any, Any, None]]


@pytest.fixture
def play(opened: Any) -> Callable[[Story], None]:
    """Run a story on an opened store."""

    def _play(story: Story) -> None:
        async def whole() -> None:
            async with opened() as store:
                await story(store)

        asyncio.run(whole())

    return _play


class Build:
    """Values to save: each is whole, and a test changes what it is about."""

    offering = OfferingKey(
        Cloud.AWS, "eu-central-1", "eu-central-1a", "t3.medium", CapacityType.SPOT
    )

    def cluster(self, id_: ClusterId = ONE, name: str = "web", **changes: Any) -> Cluster:
        spec = ClusterSpec(
            name=name,
            region="eu-central",
            kubernetes_version="1.37.1",
            clouds=(CloudSpec(Cloud.AWS, KEYS, "eu-central-1", IPv4Network("10.10.0.0/16")),),
            nodes=(
                NodeRequest(RequestId("r1"), Role.CONTROL_PLANE, Cloud.AWS, Shape.MEDIUM),
                NodeRequest(RequestId("r2"), Role.WORKER, Cloud.AWS, Shape.SMALL, "t3.small"),
            ),
            tags=(("team", "shop"),),
        )
        cluster = Cluster(
            id=id_,
            spec=spec,
            generation=1,
            observed_generation=0,
            revision=1,
            phase=ClusterPhase.CREATING,
            created_at=AT,
        )
        return dataclasses.replace(cluster, **changes)

    def machine(self, id_: str = "m1", cluster: ClusterId = ONE, **changes: Any) -> Machine:
        machine = Machine(
            id=MachineId(id_),
            cluster=cluster,
            request=RequestId("r1"),
            name=f"web-c1-aws-{id_}",
            role=Role.WORKER,
            offering=self.offering,
            image="ami-1",
            disk_gib=20,
            kubernetes_version="1.37.1",
            attempt=1,
            token="hf-token",
            nonce_hash="n",
            chosen_at=AT,
        )
        return dataclasses.replace(machine, **changes)

    def recorded(self, **changes: Any) -> dict[str, Any]:
        values: dict[str, Any] = {
            "phase": ClusterPhase.CREATING,
            "conditions": (),
            "endpoint": None,
            "observed_generation": 1,
            "reconciled_at": AT,
            "delete_calls_at": None,
            "deleted_at": None,
            "plan": {},
        }
        return values | changes

    async def saved(self, store: Store, *machines: Machine) -> None:
        """A cluster with machines is in the store."""
        async with store.writing() as tx:
            await store.clusters.create(tx, self.cluster())
            await store.machines.save(tx, *machines)


@pytest.fixture
def build() -> Build:
    return Build()


class LoopClock:
    """The clock port on the loop's time."""

    def __init__(self) -> None:
        self.sleeps = 0

    def now(self) -> datetime:
        return AT + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        self.sleeps += 1
        await asyncio.sleep(max(0.0, seconds))


class LongestJitter:
    """Full jitter: backoffs are exactly their longest."""

    def uuid(self) -> str:
        raise NotImplementedError

    def token(self, bytes_: int) -> str:
        raise NotImplementedError

    def random(self) -> float:
        return 1.0

    def bytes(self, n: int) -> bytes:
        raise NotImplementedError


@dataclass
class EngineWorld:
    """An engine, what its handler shall do, and what was seen."""

    clock: LoopClock = field(default_factory=LoopClock)
    starts: list[tuple[float, EngineKey]] = field(default_factory=list)
    ends: list[tuple[float, EngineKey]] = field(default_factory=list)
    running: set[EngineKey] = field(default_factory=set)
    overlaps: int = 0
    most: int = 0
    behave: Callable[[EngineKey], Awaitable[Again]] | None = None
    engine: MemoryEngine = field(init=False)
    task: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.engine = MemoryEngine(self.clock, LongestJitter(), grace=15)

    async def handle(self, key: EngineKey) -> Again:
        self.overlaps += key in self.running
        self.running.add(key)
        self.most = max(self.most, len(self.running))
        self.starts.append((self.clock.monotonic(), key))
        try:
            return (
                Again(timedelta(hours=1), Why.TICK)
                if self.behave is None
                else await self.behave(key)
            )
        finally:
            self.running.discard(key)
            self.ends.append((self.clock.monotonic(), key))

    async def serve(self, concurrency: int = 4) -> None:
        self.task = asyncio.create_task(self.engine.run(self.handle, concurrency))
        await asyncio.sleep(0)

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with suppress(asyncio.CancelledError):
                await self.task

    @property
    def started(self) -> list[EngineKey]:
        return [key for _, key in self.starts]


Played = Callable[[Callable[[EngineWorld], Coroutine[Any, Any, None]]], EngineWorld]


@pytest.fixture(scope="session")
def played() -> Played:
    """Run a story with an engine on virtual time, and stop its engine."""

    def _played(story: Callable[[EngineWorld], Coroutine[Any, Any, None]]) -> EngineWorld:
        async def whole() -> EngineWorld:
            world = EngineWorld()
            try:
                await story(world)
            finally:
                await world.stop()
            return world

        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(whole())

    return _played
