"""One simulated world: the unchanged platform over clouds, clusters and agents, from one seed.

    async with Simulation.open(Settings(seed=7)) as world:
        await world.user.create("web", control_planes=1, workers=2)
        await world.until_quiet()

The platform's process can die (`die`, `crash`) and start again (`restart`) with nothing but the
disk; the clouds, the clusters and the agents go on meanwhile.
"""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from holdfast.clock import Clock
from holdfast.model.ids import ClusterId, MachineId
from holdfast.model.offering import Cloud, OfferingKey
from holdfast.planner.rules import Rules
from holdfast.providers.sim.provider import Care
from holdfast.providers.sim.world import Settings as CloudSettings
from holdfast.providers.sim.world import World as Clouds
from holdfast.simulation.agent import Durations, Heartbeats
from holdfast.simulation.agents import Fleet
from holdfast.simulation.disk import Disk, template
from holdfast.simulation.effects import Died, Hub
from holdfast.simulation.kubernetes import Kubernetes
from holdfast.simulation.machines import Guest, Machines
from holdfast.simulation.outside import CONCURRENCY, Outside
from holdfast.simulation.process import Process
from holdfast.simulation.time import SeededChance, VirtualClock
from holdfast.simulation.transcript import Transcript
from holdfast.simulation.uplink import Reply, Sent, Unreachable
from holdfast.simulation.user import User

ACCOUNTS = (
    (Cloud.AWS, "111111111111"),
    (Cloud.GCP, "project-1"),
    (Cloud.AZURE, "subscription-1"),
    (Cloud.DO, "team-1"),
)
DEFAULT_SIZE = (2, 4096)  # of a type that is no longer on sale


@dataclass(frozen=True, slots=True)
class Settings:
    """What a world is like.

    seed        all chance of it
    clouds      how the clouds behave; their seed is this one's
    rules       the platform's numbers, as its settings would fill them
    heartbeats  WHOLE, or the light form for long runs and many clusters
    care, weakened  take a safety rule out of the driver, or of each process before it starts: to
                prove that the harm is found
    restart_after  seconds from the death of a process to the start of the next; None: never
    """

    seed: int = 1
    clouds: CloudSettings = field(default_factory=CloudSettings)
    rules: Rules = field(default_factory=Rules)
    durations: Durations = field(default_factory=Durations)
    heartbeats: Heartbeats = Heartbeats.WHOLE
    concurrency: int = CONCURRENCY
    restart_after: float | None = 5.0
    accounts: tuple[tuple[Cloud, str], ...] = ACCOUNTS
    care: Care = field(default_factory=Care)
    weakened: Callable[[Process], None] | None = None


class Simulation:
    """A world that runs. Make it with `open`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock: Clock = VirtualClock()
        self.chance = SeededChance(settings.seed)
        self.hub = Hub(self.clock)
        self.disk = Disk(self.hub, template())
        self.clouds = Clouds(self.clock, replace(settings.clouds, seed=settings.seed), self.hub)
        self.machines = Machines(self.clouds)
        self.kubernetes = Kubernetes(
            self.clock, self.chance.fork("kubernetes"), self.machines, self.hub, self._size
        )
        self.fleet = Fleet(
            self.clock,
            self.chance.fork("agents"),
            self.machines,
            self.kubernetes,
            self,
            settings.heartbeats,
            settings.durations,
        )
        self.transcript = Transcript(self.clock, self.hub)
        self.user = User(self)
        self.taps: list[Callable[[Sent, Reply], None]] = []  # who overhears agents
        self.struck = 0  # effects that a sweep disturbed: what is calm without them is not then
        self.process: Process | None = None
        self.frozen: list[Process] = []  # others on the same disk, that stood still once
        self._started = 0
        self._rising: asyncio.Task[None] | None = None
        self._vault_key = self.chance.bytes(32)
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings | None = None) -> AsyncIterator["Simulation"]:
        """A world whose platform serves; it ends with the block. Call `template` before the loop
        runs, else the first world of a process is made a tenth of a second later."""
        world = cls(settings or Settings())
        world._begin()
        try:
            await world.restart()
            yield world
        finally:
            await world._end()

    @property
    def platform(self) -> Process:
        """The process that runs. Raises RuntimeError when none does."""
        if self.process is None or not self.process.is_alive:
            raise RuntimeError("the platform does not run")
        return self.process

    # The process

    async def restart(self) -> None:
        """Start the platform on what is on the disk; a process that still runs dies before."""
        await self.crash()
        await self._start(alone=True)

    async def stand_in(self) -> None:
        """The process that runs is frozen; another one on the same database takes its place."""
        if self.process is not None:
            self.transcript.note(f"process {self.process.number} stands still")
            self.process.freeze()
            self.frozen.append(self.process)
        await self._start(alone=False)

    def thaw(self) -> None:
        """What was frozen goes on, beside the process that took its place."""
        for process in self.frozen:
            self.transcript.note(f"process {process.number} goes on")
            process.thaw()

    async def _start(self, *, alone: bool) -> None:
        self._started += 1
        outside = Outside(
            self.clock,
            self.hub,
            self.disk,
            self.clouds,
            self.kubernetes.client,
            self.settings.rules,
            self._vault_key,
            self.settings.concurrency,
            alone,
            self.settings.care,
        )
        chance = self.chance.fork(f"process {self._started}")
        self.process = Process(self._started, outside, chance, self._ended)
        if self.settings.weakened is not None:
            self.settings.weakened(self.process)
        self.transcript.note(f"platform starts, process {self._started}")
        try:
            await self.process.start()
        except Died:
            pass  # while it started; the next one is on its way
        except Exception as error:  # noqa: BLE001  (whatever it was, this process never served)
            self.transcript.note(f"platform cannot start: {error}")
            self.die()

    def die(self) -> None:
        """The process ends at this very moment; called inside of it, this raises Died."""
        if self.process is not None and self.process.is_alive:
            self.transcript.note(f"platform dies, process {self.process.number}")
            if self.settings.restart_after is not None:
                self._rising = asyncio.create_task(self._rise(), context=contextvars.Context())
            self.process.die()

    def _ended(self, process: Process) -> None:
        """A process ends by its own fault."""
        if process is self.process:
            self.die()
        process.die()

    async def _rise(self) -> None:
        await self.clock.sleep(self.settings.restart_after or 0.0)
        await self.restart()

    async def crash(self) -> None:
        """The process ends, and every task of it; it is not started again by itself."""
        self.die()
        if self._rising is not None and self._rising is not asyncio.current_task():
            self._rising.cancel()
        self._rising = None
        for process in (*self.frozen, *([self.process] if self.process is not None else [])):
            process.thaw()
            process.die()
            await process.buried()
        self.frozen.clear()
        self.process = None

    # What agents meet

    async def send(self, message: Sent) -> Reply:
        """Deliver a message to the process that runs now."""
        if self.process is None:
            raise Unreachable("connection refused")
        reply = await self.process.send(message)
        for tap in self.taps:
            tap(message, reply)
        return reply

    def beat(self, machines: Iterable[MachineId]) -> None:
        """Quiet heartbeats."""
        if self.process is not None:
            self.process.beat(machines)

    def waiting_orders(self) -> set[MachineId]:
        """Machines that have orders to fetch."""
        return set() if self.process is None else self.process.waiting_orders()

    # Looking around

    def guests(self, cluster: ClusterId | None = None) -> list[Guest]:
        """Machines that run, in the order in which they first did."""
        return [
            guest
            for guest in self.machines.guests.values()
            if guest.runs and cluster in {None, guest.cluster}
        ]

    def _begin(self) -> None:
        self.clouds.witnesses.append(self.machines)
        self.machines.listeners += [self._note, self.kubernetes.heard, self.fleet.heard]
        for cloud, name in self.settings.accounts:
            self.clouds.add_account(cloud, name)
        work = [self.clouds.timeline.keep()]
        if self.fleet.heartbeats is Heartbeats.LIGHT:
            work.append(self.fleet.pulse())
        self._tasks = [asyncio.create_task(one) for one in work]

    async def _end(self) -> None:
        await self.crash()
        self.fleet.stop()
        for cluster in self.kubernetes.clusters.values():
            cluster.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.disk.close()

    def _note(self, guest: Guest, what: str) -> None:
        self.transcript.note(f"machine {guest.resource.hostname} {guest.thing} {what}")

    def _size(self, key: OfferingKey) -> tuple[int, int]:
        offer = self.clouds.market.offer(key)
        return DEFAULT_SIZE if offer is None else (offer.size.cpus, offer.size.memory_mib)
