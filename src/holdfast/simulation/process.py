"""One run of the platform: the unchanged parts, put together as `local/serve` does, until it dies.

What it keeps is the disk; everything here goes with the process.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

import structlog
from fastapi import FastAPI, Response
from sqlalchemy.exc import DBAPIError

from holdfast.api.app import create_app
from holdfast.api.auth import ApiContext
from holdfast.api.routes.agent_conversation import Conversation
from holdfast.bootstrap import archive
from holdfast.engine.memory import MemoryEngine
from holdfast.model.ids import EngineKey, MachineId
from holdfast.model.offering import Cloud
from holdfast.model.wake import Why
from holdfast.providers.limits import Limits
from holdfast.providers.sim.effects import Effect
from holdfast.reconciler import loop, watch
from holdfast.reconciler.world import Kubes, Platform, World
from holdfast.simulation import papers
from holdfast.simulation.claims import ClaimingStore
from holdfast.simulation.connections import Connections
from holdfast.simulation.effects import NOBODY, Died, through
from holdfast.simulation.http import request
from holdfast.simulation.outside import Outside
from holdfast.simulation.time import SeededChance, Tenant
from holdfast.simulation.uplink import Reply, Sent, Unreachable
from holdfast.store.store import started
from holdfast.store.vault import Vault
from holdfast.wire.region import REGIONS

_log = structlog.get_logger(__name__)

ADDRESS = "https://platform.sim:8443"
CA_PEM = b"the simulated platform's CA\n"
AGENT = b"the agent, as machines fetch it\n"
LATENCY = 0.01  # seconds of a message's way, there and back
ORDERED = "SELECT DISTINCT machine FROM orders WHERE done_at IS NULL"


class Unanswered(RuntimeError):
    """The process could not say what became of a request: it may be asked again."""


class Process:
    """A platform that runs. Make it with `start`."""

    def __init__(
        self,
        number: int,
        outside: Outside,
        chance: SeededChance,
        on_end: "Callable[[Process], None]",
    ) -> None:
        self._on_end = on_end
        self._outside = outside
        self._tenant = Tenant(f"process {number}")
        self._chance = chance
        self._app: FastAPI | None = None
        self._context: ApiContext | None = None
        self._talk: Conversation | None = None
        self.number = number
        self.disk = outside.disk
        self._cut: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        clock = outside.clock
        database = outside.disk.database(lambda: self.is_alive)
        vault = Vault([outside.vault_key], chance)
        self.store = ClaimingStore(outside.disk, database, vault, clock, chance)
        self.engine = MemoryEngine(clock, chance)
        self.world: World | None = None

    @property
    def is_alive(self) -> bool:
        """It has not died."""
        return not self._tenant.is_dead

    async def start(self) -> None:
        """Everything up to serving; raises what the platform raises when it cannot start."""
        await self.within(self._started())
        for work in self._parts():
            self._tenant.spawn(self._part(work))

    async def _part(self, work: Callable[[], Awaitable[None]]) -> None:
        """A part that fails ends the process, as the task group of `local/serve` does."""
        try:
            await work()
        except Exception as error:  # noqa: BLE001  (whatever it was, the process is over)
            _log.error("platform ends", error=str(error))
            self._on_end(self)

    async def _started(self) -> None:
        await started(self.store)
        self.store.on_wake(self.engine.wake)
        async with self.store.writing() as tx:
            installation = await self.store.installation.get_or_make(tx)
        outside = self._outside
        self.world = World(
            store=self.store,
            engine=self.engine,
            clock=outside.clock,
            chance=self._chance,
            rules=outside.rules,
            installation=installation,
            providers=Connections(outside.clouds, Limits(outside.clock), outside.care),
            kubes=Kubes(outside.kube),
            platform=Platform(ADDRESS, archive.sha256(CA_PEM), archive.sha256(AGENT)),
            native_regions={
                cloud: tuple(g.native[cloud] for g in REGIONS if cloud in g.native)
                for cloud in Cloud
            },
        )
        self._context = ApiContext(
            store=self.store,
            clock=outside.clock,
            chance=self._chance,
            platform_ca_pem=CA_PEM,
            agent_archive=AGENT,
            identity_certificates=papers.certificates(),
            clouds=frozenset(Cloud),
            windows=outside.rules.windows,
        )
        self._talk = Conversation(self._context)

    def _parts(self) -> list[Callable[[], Awaitable[None]]]:
        world = self.world
        if world is None:
            raise RuntimeError("the process has not started")
        owner, outside = f"simulated:{self.number}", self._outside
        return [
            lambda: loop.run(world, owner, outside.concurrency, alone=outside.alone),
            lambda: watch.heartbeats(world),
            lambda: watch.nodes(world),
        ]

    def freeze(self) -> None:
        """It is not scheduled any more; who waits for its answer gives up."""
        self._tenant.freeze()
        self._outside.disk.turn = asyncio.Lock()
        if not self._cut.done():
            self._cut.set_result(None)

    def thaw(self) -> None:
        """It goes on, and does not know that time has passed."""
        self._cut = asyncio.get_running_loop().create_future()
        self._tenant.thaw()

    def die(self) -> None:
        """It is gone, with all its tasks; what was not committed is lost. Ends the caller too,
        if that is one of them (raises Died)."""
        if not self.is_alive:
            return
        self._tenant.is_dead = True
        self._outside.disk.power_cut()
        mine = asyncio.current_task()
        is_inside = False
        for task in self._tenant.living():
            if task is mine:
                is_inside = True
            else:
                task.cancel()
        if is_inside:
            raise Died(self._tenant.name)

    async def buried(self) -> None:
        """Until every task of a dead process has ended."""
        while rest := self._tenant.living():
            await asyncio.wait(rest)
        await self.store.close()

    async def within(self, work: Awaitable[Any]) -> Any:
        """Do something as a part of the process. Raises Died when it ends meanwhile."""

        async def inside() -> Any:
            return await work

        task = self._tenant.spawn(inside())
        await asyncio.wait([task, self._cut], return_when=asyncio.FIRST_COMPLETED)
        if task.cancelled() or not self.is_alive or not task.done():
            if task.done() and not task.cancelled():
                task.exception()
            if task.done() and isinstance(work, Coroutine):
                work.close()  # it may never have begun
            raise Died(self._tenant.name)
        return task.result()

    # Agents

    async def send(self, message: Sent) -> Reply:
        """Deliver a message of an agent. Raises Unreachable."""
        if self._talk is None or not self.is_alive:
            raise Unreachable("connection refused")
        await self._outside.clock.sleep(LATENCY)
        try:
            reply: Reply = await self.within(self._answered(message))
        except Died:
            raise Unreachable("connection reset") from None
        except Unreachable:
            raise
        except Exception:  # noqa: BLE001  (as `api.app.Edge` does: logged, and answered with 500)
            _log.exception("request failed", verb=message.verb, machine=message.machine)
            return Reply(500, b"")
        return reply

    async def _answered(self, message: Sent) -> Reply:
        if self._talk is None:
            raise RuntimeError("the process has not started")
        before = self._outside.hub.count
        if message.verb == "first-contact":
            response = await self._talk.first_contact(message.machine, message.body, message.source)
        else:
            response = await self._talk.call_back(
                message.machine, message.headers, message.body, message.source
            )
        reply = Reply(response.status_code, bytes(response.body))
        if self._is_effect(response, before):
            effect = Effect("agents", "answer", message.machine, NOBODY)
            return through(self._outside.hub, effect, lambda: reply, Unreachable)
        return reply

    def _is_effect(self, response: Response, before: int) -> bool:
        """An answer to what changed nothing, here or there, is none: it may be asked again."""
        return response.status_code == 200 and self._outside.hub.count > before

    def beat(self, machines: Iterable[MachineId]) -> None:
        """Quiet heartbeats of machines that the platform listens to."""
        if self.is_alive:
            known, now = self.store.heartbeats.view(), self._outside.clock.now()
            for machine in machines:
                if machine in known:
                    self.store.heartbeats.beat(machine, now)

    def waiting_orders(self) -> set[MachineId]:
        """Machines that have orders to fetch."""
        try:
            rows = self._outside.disk.raw.execute(ORDERED).fetchall()
        except sqlite3.Error:
            return set()
        return {MachineId(row[0]) for row in rows}

    # People

    async def first_token(self) -> str:
        """A token of the API, as the first start leaves one in a file.

        Raises Died, Unanswered.
        """

        async def made() -> str:
            async with self.store.writing() as tx:
                return await self.store.tokens.create(tx, "simulated user")

        token: str = await self._stored(made())
        return token

    async def wake(self, keys: Iterable[EngineKey], why: Why) -> None:
        """Have passes of keys. Raises Died, Unanswered."""

        async def woken() -> None:
            async with self.store.writing() as tx:
                for key in keys:
                    await self.store.leases.wake(tx, key, why)

        await self._stored(woken())

    async def _stored(self, work: Awaitable[Any]) -> Any:
        """As `within`. Raises Unanswered where the store gives no answer."""
        try:
            return await self.within(work)
        except DBAPIError as error:
            raise Unanswered(str(error)) from error

    async def asked(
        self, method: str, path: str, token: str, body: Any = None, key: str = ""
    ) -> Any:
        """A request to the public API; returns (status, JSON). Raises Died."""
        if self._context is None:
            raise RuntimeError("the process has not started")
        self._app = self._app or create_app(self._context)
        return await self.within(request(self._app, method, path, token, body, key))
