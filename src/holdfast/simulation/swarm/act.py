"""Does the steps of a plan, ends all trouble, and waits until the world is quiet."""

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count

from holdfast.model.ids import ClusterId
from holdfast.simulation.effects import Died
from holdfast.simulation.invariants import Expected
from holdfast.simulation.quiet import until_quiet
from holdfast.simulation.swarm import harm
from holdfast.simulation.swarm.crash import CrashLater
from holdfast.simulation.swarm.steps import Deed, Plan, Step
from holdfast.simulation.user import Refused
from holdfast.simulation.world import Simulation

PATIENCE = 8 * 3600.0  # virtual seconds within which a world must be quiet: quotas wait 6 hours
ATTENDED = 600.0  # virtual seconds between two looks of a person
AFTERMATH = 360.0  # virtual seconds in which the last harm shows itself at all
LOST = 1000  # machines that may have been made instead of others: no bound in a world of trouble
Act = Callable[[], None]


@dataclass(slots=True)
class Story:
    """One plan in one world."""

    world: Simulation
    plan: Plan
    clusters: list[ClusterId] = field(default_factory=list)
    _agenda: list[tuple[float, int, Act]] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)
    _people: list[asyncio.Task[None]] = field(default_factory=list)

    async def play(self) -> Expected:
        """Everything, up to a quiet world without any trouble left. Raises NotConverged."""
        await self.world.user.connect(*self.plan.ground.clouds)
        for step in self.plan.steps:
            self._later(step.at, lambda step=step: self._do(step))  # type: ignore[misc]
        await self._all_of_it()
        self._calm()
        await asyncio.gather(*self._people)
        attending = asyncio.create_task(self._attend())
        try:
            await self.world.clock.sleep(AFTERMATH)
            await until_quiet(self.world, PATIENCE)
        finally:
            attending.cancel()
        return Expected(lost=LOST)

    async def _attend(self) -> None:
        """A person looks now and then; where the breaker is open they let the platform go on."""
        while True:
            await self.world.clock.sleep(ATTENDED)
            for cluster in self.clusters:
                shown = (await self.world.user.cluster(cluster))["conditions"]
                if any(one["type"] == "BreakerClosed" and not one["status"] for one in shown):
                    await self.world.user.release_breaker(cluster, "they really are lost")

    async def _all_of_it(self) -> None:
        while self._agenda:
            at, _, act = heapq.heappop(self._agenda)
            await self.world.clock.sleep(max(0.0, at - self.world.clock.monotonic()))
            act()

    def _later(self, at: float, act: Act) -> None:
        heapq.heappush(self._agenda, (at, next(self._numbers), act))

    def _until(self, step: Step, undo: Act) -> None:
        self._later(self.world.clock.monotonic() + step.seconds, undo)

    def _calm(self) -> None:
        """No fault is in force, and everything that can come back is back."""
        world = self.world
        world.transcript.note("all trouble ends")
        world.clouds.faults.clear()
        for watcher in [one for one in world.hub.watchers if isinstance(one, CrashLater)]:
            world.hub.watchers.remove(watcher)

    def _do(self, step: Step) -> None:
        self.world.transcript.note(f"step {step.line().strip()}")
        match step.deed:
            case Deed.CREATE | Deed.DELETE | Deed.RECONCILE:
                self._people.append(asyncio.create_task(self._person(step)))
            case Deed.FAULT:
                self._fault(step)
            case Deed.CRASH:
                self.world.hub.watchers.append(
                    CrashLater(self.world, step.which, is_after=step.value == 1)
                )
            case _:
                undo = harm.done(self.world, step)
                if undo is not None:
                    self._until(step, undo)

    def _fault(self, step: Step) -> None:
        if step.fault is None:
            return
        now = self.world.clock.now()
        until = now + timedelta(seconds=max(1.0, step.seconds))
        self.world.clouds.faults.add(replace(step.fault, since=now, until=until))
        self._until(step, lambda: None)

    async def _person(self, step: Step) -> None:
        """What a person asks for. A refusal is an answer: they leave it at that."""
        user = self.world.user
        try:
            if step.deed is Deed.CREATE:
                name = f"web-{len(self.clusters) + 1}-{int(step.at)}"
                made = await user.create(
                    name,
                    step.which,
                    int(step.value),
                    spot=step.spot,
                    clouds=self.plan.ground.clouds,
                )
                self.clusters.append(made)
            elif self.clusters:
                cluster = self.clusters[step.which % len(self.clusters)]
                if step.deed is Deed.DELETE:
                    await user.delete(cluster)
                else:
                    path = f"/v1/kubernetes/clusters/{cluster}/trigger-reconcile"
                    await user.asked("POST", path)
        except (Refused, Died) as error:
            self.world.transcript.note(f"the platform refuses: {error}")
