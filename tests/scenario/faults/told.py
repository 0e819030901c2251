"""How a fault is told: a world, what happens in it, and every invariant at its end.

@pytest.mark.fault("F01", "S")
@told()
async def test_crash_between_create_and_record(world: Simulation) -> Expected:
    ...
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from holdfast.model.ids import ClusterId
from holdfast.providers.sim.effects import Effect
from holdfast.providers.sim.faults import Fault
from holdfast.providers.sim.record import Call
from holdfast.simulation import invariants
from holdfast.simulation.agent import Heartbeats
from holdfast.simulation.invariants import Expected
from holdfast.simulation.run import logged, virtually
from holdfast.simulation.watch import Watch
from holdfast.simulation.world import Settings, Simulation

LIGHT = Settings(heartbeats=Heartbeats.LIGHT)
MINUTE = timedelta(minutes=1)

Story = Callable[[Simulation], Coroutine[Any, Any, Expected]]


def told(
    settings: Settings = LIGHT, *, errors: bool = False
) -> Callable[[Story], Callable[[], None]]:
    """A test of a story: what it returns is expected of its world.

    errors  the platform may log some, because its own disk fails
    """

    def decorate(story: Story) -> Callable[[], None]:
        async def whole() -> None:
            async with Simulation.open(settings) as world:
                watch = Watch(world)
                world.hub.watchers.append(watch)
                with logged(world):
                    expected = await story(world)
                    breaches = [*watch.breaches, *invariants.check(world, expected)]
                    found = [str(breach) for breach in breaches]
                    lines = world.transcript.text(world.disk.raw).splitlines()
                    found += [line for line in lines if "log error" in line and not errors]
                    assert found == [], found

        def test() -> None:
            virtually(whole())

        test.__name__, test.__doc__ = story.__name__, story.__doc__
        return test

    return decorate


@dataclass
class Struck:
    """A watcher that strikes at the first `times` effects whose label begins with `label`.

    fault  is what happens to the effect itself
    dies   "before" or "after" it: the process ends there
    """

    world: Simulation
    label: str
    times: int = 1
    fault: Fault | None = None
    dies: str = ""
    struck: list[int] = field(default_factory=list)

    def before(self, number: int, effect: Effect) -> Fault | None:
        if len(self.struck) >= self.times or not effect.label.startswith(self.label):
            return None
        self.struck.append(number)
        if self.dies == "before":
            self.world.die()
        return self.fault

    def after(self, number: int, effect: Effect, outcome: str) -> None:
        if self.dies == "after" and number in self.struck:
            self.world.die()

    def reading(self, effect: Effect) -> Fault | None:
        return None


def strike(
    world: Simulation,
    label: str,
    *,
    times: int = 1,
    fault: Fault | None = None,
    dies: str = "",
) -> Struck:
    """Have a watcher strike from now on."""
    found = Struck(world, label, times, fault, dies)
    world.hub.watchers.append(found)
    return found


def creates(world: Simulation, subject: str = "aws/machine/") -> list[Call]:
    """The platform's create calls whose subject begins so, whatever became of them."""
    return [
        call
        for call in world.clouds.record.calls
        if call.caller == "platform" and call.verb == "create" and call.subject.startswith(subject)
    ]


def machines_made(world: Simulation) -> int:
    """Machines that ever ran up a bill in all accounts."""
    return len(world.clouds.record.bills)


def events(world: Simulation, cluster: ClusterId, severity: str = "%") -> list[str]:
    """What users were told of a cluster, oldest first."""
    query = "SELECT message FROM events WHERE cluster = ? AND severity LIKE ? ORDER BY seq"
    return [row[0] for row in world.disk.raw.execute(query, (cluster, severity))]


async def conditions(world: Simulation, cluster: ClusterId) -> str:
    """What the API shows of a cluster's conditions, as one text."""
    return str((await world.user.cluster(cluster)).get("conditions"))


async def stirred(world: Simulation, cluster: ClusterId, seconds: float, every: float = 20) -> None:
    """A pass of a cluster again and again for a while."""
    until = world.clock.monotonic() + seconds
    while world.clock.monotonic() < until:
        path = f"/v1/kubernetes/clusters/{cluster}/trigger-reconcile"
        await world.user.asked("POST", path)
        await world.clock.sleep(every)
