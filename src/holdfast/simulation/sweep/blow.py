"""A watcher that disturbs one effect, as its mode says."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from holdfast.providers.sim.effects import Effect
from holdfast.providers.sim.faults import Fault, Kind
from holdfast.simulation.sweep.modes import KILLED, Mode
from holdfast.simulation.sweep.zombie import frozen

if TYPE_CHECKING:
    from holdfast.simulation.world import Simulation

SOON, MINUTES = 1.0, 300.0  # seconds that an effect is late
AFTER_RESTART = 30.0  # seconds; beyond the few that a restart takes

FAULTS = {
    Mode.LOST_RESPONSE: Fault(Kind.LOST_RESPONSE),
    Mode.LOST_REQUEST: Fault(Kind.LOST_REQUEST),
    Mode.LATE: Fault(Kind.LATE, value=SOON),
    Mode.LATE_MINUTES: Fault(Kind.LATE, value=MINUTES),
    Mode.LATE_RESTART: Fault(Kind.LATE, value=AFTER_RESTART),
    Mode.PARTIAL: Fault(Kind.PARTIAL),
    Mode.STALE_AFTER: Fault(Kind.STALE_AFTER),
    Mode.STALE_RESTART: Fault(Kind.STALE_AFTER),
}


@dataclass(slots=True)
class Blow:
    """Falls on effect `number` of the hub's count; `fell` says whether it did.

    then   a second mode, which falls `steps` effects after the restart
    """

    world: "Simulation"
    number: int
    mode: Mode
    steps: int = 0
    then: Mode | None = None
    fell: bool = False
    _fails_next: bool = field(default=False, init=False)
    _zombie: asyncio.Task[None] | None = field(default=None, init=False)
    _second: "Blow | None" = field(default=None, init=False)

    def before(self, number: int, effect: Effect) -> Fault | None:
        """The effect is issued."""
        if self._second is not None:
            return self._second.before(number, effect)
        if self._fails_next and effect.port == "store":
            self._fails_next = False
            return Fault(Kind.LOST_REQUEST)
        if number == self.number:
            self.fell = True
            self.world.struck += 1
            return self._strike()
        return None

    def after(self, number: int, effect: Effect, outcome: str) -> None:
        """It was applied, or will be."""
        if self._second is not None:
            self._second.after(number, effect, outcome)
        elif number == self.number:
            self._fails_next = self.mode is Mode.RECORD_FAILS
            if self.mode in KILLED:
                self._kill()

    def reading(self, effect: Effect) -> Fault | None:  # noqa: ARG002
        """Readings are bent by what the effect left behind."""
        return None

    def _strike(self) -> Fault | None:
        if self.mode is Mode.BEFORE:
            self._kill()
        if self.mode is Mode.ZOMBIE:
            self._zombie = frozen(self.world)
        fault = FAULTS.get(self.mode)
        if fault is not None and fault.kind is Kind.STALE_AFTER:
            window = max(self.world.settings.rules.windows.values())
            return replace(fault, value=window.total_seconds())
        return fault

    def _kill(self) -> None:
        if self.then is not None:
            at = self.world.hub.count + self.steps
            self._second = Blow(self.world, at, self.then)
        self.world.die()
