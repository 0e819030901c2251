"""The platform's death at an effect that is counted from now."""

from dataclasses import dataclass

from holdfast.providers.sim.effects import Effect
from holdfast.providers.sim.faults import Fault
from holdfast.simulation.world import Simulation


@dataclass(slots=True, eq=False)
class CrashLater:
    """A watcher that ends the process at the effect `left` effects from now, once.

    is_after  when it was applied and nobody has seen the answer; else before anything happened
    """

    world: Simulation
    left: int
    is_after: bool
    _number: int = 0

    def before(self, number: int, effect: Effect) -> Fault | None:  # noqa: ARG002
        """Counts down."""
        if self.left > 0:
            self.left -= 1
            if self.left == 0:
                self._number = number
                if not self.is_after:
                    self.world.die()
        return None

    def after(self, number: int, effect: Effect, outcome: str) -> None:  # noqa: ARG002
        """The effect that was counted down to is over."""
        if self.is_after and number == self._number:
            self.world.die()

    def reading(self, effect: Effect) -> Fault | None:  # noqa: ARG002
        """Readings are not counted."""
        return None
