"""A process that stands still in the middle of a pass, another that takes over, and its return."""

from dataclasses import dataclass, field

from holdfast.model.resource import Role
from holdfast.providers.sim.effects import Effect
from holdfast.providers.sim.faults import Fault
from holdfast.providers.sim.strangers import Stranger
from holdfast.simulation.invariants import Expected
from holdfast.simulation.quiet import until_quiet
from holdfast.simulation.scenarios.story import Broken, Scenario, created, of_role
from holdfast.simulation.time import Tenant, tenant
from holdfast.simulation.world import Simulation

WITHIN = 600.0  # seconds in which the call must come that the freeze waits for
AFTER = 300.0  # seconds that the process has after it goes on


@dataclass(slots=True)
class _Freezer:
    """Freezes the process at its next create of a machine, and hears what it does afterwards."""

    world: Simulation
    owner: Tenant | None = None
    is_back: bool = False
    reached: list[Effect] = field(default_factory=list)

    def before(self, number: int, effect: Effect) -> Fault | None:  # noqa: ARG002
        """The call has left; its process stands still before it hears of it."""
        if self.owner is not None or effect.verb != "create" or "/machine/" not in effect.subject:
            return None
        self.owner = tenant()
        self.world.platform.freeze()
        return None

    def after(self, number: int, effect: Effect, outcome: str) -> None:  # noqa: ARG002
        """What the frozen process still reached at the clouds and the clusters."""
        if self.is_back and tenant() is self.owner and effect.port.startswith(("cloud/", "kube")):
            self.reached.append(effect)

    def reading(self, effect: Effect) -> Fault | None:  # noqa: ARG002
        """Readings change nothing."""
        return None


async def _zombie(world: Simulation) -> Expected:
    cluster = await created(world)
    lost = of_role(world, cluster, Role.WORKER)[0]
    freezer = _Freezer(world)
    world.hub.watchers.append(freezer)
    world.transcript.note(f"somebody terminates {lost.resource.hostname}")
    Stranger(world.clouds, lost.site).delete(lost.thing)
    await _frozen(world, freezer)
    await world.stand_in()
    await until_quiet(world)
    freezer.is_back = True
    world.thaw()
    await world.clock.sleep(AFTER)
    await until_quiet(world)
    if freezer.reached:
        raise Broken("I11", f"with an old epoch: {freezer.reached[0].label}")
    return Expected(lost=1)


async def _frozen(world: Simulation, freezer: _Freezer) -> None:
    until = world.clock.monotonic() + WITHIN
    while freezer.owner is None:
        if world.clock.monotonic() > until:
            raise Broken("I12", "no machine was asked for in the place of the lost one")
        await world.clock.sleep(1.0)


FENCING = (Scenario("zombie", "a frozen process goes on after another took over", _zombie),)
