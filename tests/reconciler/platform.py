"""A platform on a store that outlives it, with virtual time: passes, agents, crashes.

@story
async def test_something(stage: Stage) -> None:
    await stage.up()
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from tests.contract.conftest import HandClock
from tests.core.planner.build import KEYS, ONE, REGION, a_cluster
from tests.reconciler.fakes import FakeCloud, FakeKubernetes

from holdfast.engine.memory import MemoryEngine
from holdfast.model.cluster import Cluster
from holdfast.model.event import Event
from holdfast.model.ids import ClusterId, MachineId, account_key, cluster_key
from holdfast.model.machine import Machine
from holdfast.model.observed import Life
from holdfast.model.offering import Cloud
from holdfast.model.resource import Role
from holdfast.model.wake import Again, Why
from holdfast.planner import control_plane
from holdfast.planner.rules import Rules
from holdfast.providers.port import Provider
from holdfast.reconciler.loop import Loop
from holdfast.reconciler.observe import REMOVE_MEMBER
from holdfast.reconciler.world import Kubes, Platform, World
from holdfast.simulation.time import SeededChance
from holdfast.store.store import Store, open_store
from holdfast.store.vault import Vault

WINDOW = timedelta(seconds=30)
RULES = Rules(windows=dict.fromkeys(Cloud, WINDOW), listing_gap=timedelta(seconds=2))
ADDRESS = Platform("https://10.0.0.1:8443", "a" * 64, "b" * 64)
PASSES = 120


@dataclass
class OneProvider:
    """Every secret leads to the one cloud."""

    cloud: FakeCloud
    asked: list[Mapping[str, str]] = field(default_factory=list)
    refusal: Exception | None = None

    def provider(self, cloud: Cloud, secret: Mapping[str, str]) -> Provider:
        self.asked.append(secret)
        if self.refusal is not None:
            raise self.refusal
        return self.cloud


@dataclass
class Stage:
    """The store, the outside, and the platform that runs now."""

    store: Store
    clock: HandClock
    chance: SeededChance
    cloud: FakeCloud
    kubernetes: FakeKubernetes
    providers: OneProvider
    world: World
    loop: Loop
    agents_work: bool = True
    silent: set[MachineId] = field(default_factory=set)

    @classmethod
    async def open(cls, store: Store, clock: HandClock, chance: SeededChance) -> "Stage":
        cloud, kubernetes = FakeCloud(clock), FakeKubernetes(clock)
        providers = OneProvider(cloud)
        async with store.writing() as tx:
            await store.credentials.add(tx, KEYS, "keys", Cloud.AWS, {"accessKeyId": "AKIA"})
            await store.regions.save(tx, KEYS, cloud.region)
        world = await _world(store, clock, chance, providers, kubernetes)
        return cls(store, clock, chance, cloud, kubernetes, providers, world, Loop(world, "first"))

    async def restart(self) -> None:
        """The process died; another one starts on the same store."""
        self.world = await _world(
            self.store, self.clock, self.chance, self.providers, self.kubernetes
        )
        await self.store.leases.clear_all()
        self.loop = Loop(self.world, "next")

    async def create(self, control_planes: int = 1, workers: int = 2, **changes: Any) -> Cluster:
        """What the API does for a new cluster."""
        cluster = a_cluster(control_planes, workers, created_at=self.clock.now(), **changes)
        async with self.store.writing() as tx:
            await self.store.clusters.create(tx, cluster)
            await self.store.leases.wake(tx, cluster_key(cluster.id), Why.USER)
        return cluster

    async def delete(self) -> None:
        async with self.store.writing() as tx:
            await self.store.clusters.ask_delete(tx, ONE)
            await self.store.leases.wake(tx, cluster_key(ONE), Why.USER)

    async def wake(self) -> None:
        async with self.store.writing() as tx:
            await self.store.leases.wake(tx, cluster_key(ONE), Why.USER)

    async def step(self) -> Again:
        """One pass when it is due, then what the agents do; time goes on to the next."""
        again = await self.loop.handle(cluster_key(ONE))
        if self.agents_work and await self.agents():
            self.clock.turn(0.2)
        else:
            self.clock.turn(max(0.05, min(again.after.total_seconds(), 5)))
        return again

    async def until(self, holds: Callable[["Stage"], Coroutine[Any, Any, bool]]) -> int:
        """Passes, at least one, until it holds; raises when it never does."""
        for number in range(PASSES):
            await self.step()
            if await holds(self):
                return number
        cluster, plan = await self.cluster(), await self.plan()
        raise AssertionError(f"never: {cluster.phase} {cluster.conditions} {plan}")

    async def up(self, control_planes: int = 1, workers: int = 2) -> None:
        """A cluster that is ready and at rest."""
        await self.create(control_planes, workers)
        await self.until(is_settled)

    async def account_pass(self) -> Again:
        await self.wake_account()
        return await self.loop.handle(account_key(KEYS))

    async def wake_account(self) -> None:
        async with self.store.writing() as tx:
            await self.store.leases.wake(tx, account_key(KEYS), Why.USER)

    # What is recorded

    async def cluster(self, cluster: ClusterId = ONE) -> Cluster:
        async with self.store.reading() as tx:
            found = await self.store.clusters.get(tx, cluster)
        assert found
        return found

    async def plan(self) -> dict[str, Any]:
        async with self.store.reading() as tx:
            return await self.store.clusters.plan(tx, ONE) or {}

    async def machines(self, *, gone: bool = False) -> list[Machine]:
        async with self.store.reading() as tx:
            return list(await self.store.machines.of_cluster(tx, ONE, gone=gone))

    async def of(self, role: Role) -> list[Machine]:
        return [m for m in await self.machines() if m.role is role and m.is_wanted]

    async def events(self) -> list[Event]:
        async with self.store.reading() as tx:
            return await self.store.events.after(tx, ONE, 0, 1000)

    async def told(self) -> list[str]:
        return [event.reason for event in await self.events()]

    # The agents

    async def agents(self) -> bool:
        """Every machine that runs does its next step, as the API would let it; True: some did."""
        moved = False
        async with self.store.writing() as tx:
            cluster = await self.store.clusters.get(tx, ONE)
            assert cluster
            for machine in await self.store.machines.of_cluster(tx, ONE):
                if self.runs(machine) and machine.id not in self.silent:
                    self.store.heartbeats.beat(machine.id, self.clock.now())
                    peers = await self.store.machines.of_cluster(tx, ONE)
                    after = self._next(machine, peers, cluster)
                    moved = moved or after != machine
                    await self.store.machines.save(tx, after)
                    moved = await self._obey(machine, tx) or moved
            if moved:
                await self.store.leases.wake(tx, cluster_key(ONE), Why.USER)
        return moved

    def runs(self, machine: Machine) -> bool:
        return any(
            s.life is Life.PRESENT and s.id == machine.provider_id
            for s in self.cloud.truth.values()
        )

    def _next(self, machine: Machine, peers: Any, cluster: Cluster) -> Machine:
        now = self.clock.now()
        if cluster.is_deleting or machine.joined_at is not None or machine.private_ip is None:
            return machine
        if machine.registered_at is None:
            return replace(machine, registered_at=now)
        if machine.joining_at is None:
            why_not = control_plane.may_join(machine, peers, cluster.endpoint)
            return machine if why_not else replace(machine, joining_at=now)
        is_member = machine.role is Role.CONTROL_PLANE
        self.kubernetes.join(machine.id, machine.name, is_member=is_member)
        return replace(machine, joined_at=now)

    async def _obey(self, machine: Machine, tx: Any) -> bool:
        pending = await self.store.orders.pending(tx, machine.id)
        for order in pending:
            assert order.kind == REMOVE_MEMBER
            self.kubernetes.members.discard(MachineId(order.arguments["machineId"]))
            await self.store.orders.done(tx, order.id, True, "removed")
        return bool(pending)


async def _world(
    store: Store,
    clock: HandClock,
    chance: SeededChance,
    providers: OneProvider,
    kubernetes: FakeKubernetes,
) -> World:
    async with store.writing() as tx:
        installation = await store.installation.get_or_make(tx)
    return World(
        store=store,
        engine=MemoryEngine(clock, chance),
        clock=clock,
        chance=chance,
        rules=RULES,
        installation=installation,
        providers=providers,
        kubes=Kubes(kubernetes.client),
        platform=ADDRESS,
        native_regions={Cloud.AWS: (REGION,)},
    )


async def is_settled(stage: Stage) -> bool:
    cluster = await stage.cluster()
    plan = await stage.plan()
    return cluster.phase.value == "ready" and not plan["actions"] and not plan["waiting"]


async def is_deleted(stage: Stage) -> bool:
    return (await stage.cluster()).deleted_at is not None


@asynccontextmanager
async def a_stage(seed: int = 1) -> AsyncIterator[Stage]:
    clock, chance = HandClock(), SeededChance(seed)
    vault = Vault([b"k" * 32], chance)
    async with await open_store("sqlite+aiosqlite://", vault, clock, chance) as store:
        yield await Stage.open(store, clock, chance)


Story = Callable[..., Coroutine[Any, Any, None]]


def story(told: Story) -> Callable[..., None]:
    """A test with a stage of its own; other parameters are pytest's."""

    def run(**given: Any) -> None:
        async def whole() -> None:
            async with a_stage() as stage:
                await told(stage, **given)

        asyncio.run(whole())

    wanted = inspect.signature(told)
    others = [p for name, p in wanted.parameters.items() if name != "stage"]
    run.__name__, run.__doc__ = told.__name__, told.__doc__
    run.__signature__ = wanted.replace(parameters=others)  # type: ignore[attr-defined]
    run.pytestmark = getattr(told, "pytestmark", [])  # type: ignore[attr-defined]
    return run
