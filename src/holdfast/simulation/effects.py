"""The one hub that every effect of the platform passes, of whatever port, and the record of it.

An effect can change something outside the process: a cloud's create and delete, a write to a
cluster's API, the answer to a call-back, a commit. Watchers may look at each, end the process
there, or return a fault for that very one. Effects are numbered in the order in which they are
issued: the crash sweep counts by these numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from holdfast.clock import Clock
from holdfast.model.ids import ClusterId
from holdfast.providers.sim.effects import Effect, Effects
from holdfast.providers.sim.faults import Fault, Kind
from holdfast.simulation.time import Tenant, tenant

T = TypeVar("T")
NOBODY = ClusterId("")


class Died(BaseException):
    """The simulated process ends here: nothing in it may catch this and go on."""


class Watcher(Protocol):
    """Looks at effects. `number` counts from 1 in the order of issue.

    Every method may raise Died (by `Process.die`), and what it returns is a fault for this effect.
    """

    def before(self, number: int, effect: Effect) -> Fault | None:
        """It is issued, nothing happened yet."""
        ...

    def after(self, number: int, effect: Effect, outcome: str) -> None:
        """It was applied (or refused), nobody has seen the answer."""
        ...

    def reading(self, effect: Effect) -> Fault | None:
        """A listing is about to be read."""
        ...


@dataclass(frozen=True, slots=True)
class Done:
    """One effect that was issued. `outcome` is "ok", an error's class, or empty: it never ended."""

    number: int
    at: float
    effect: Effect
    outcome: str = ""

    def line(self) -> str:
        """As transcripts have it."""
        return f"{self.at:12.3f} effect {self.effect.label.rstrip()} -> {self.outcome or '?'}"


class Hub:
    """Numbers effects, keeps the record, asks the watchers; the clouds' `Effects` port."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[tuple[Effect, Tenant | None], list[int]] = {}
        self.watchers: list[Watcher] = []
        self.done: list[Done] = []

    @property
    def count(self) -> int:
        """How many effects were issued."""
        return len(self.done)

    def before(self, effect: Effect) -> Fault | None:
        """An effect is issued. Raises Died: nothing leaves a process that is dead."""
        issuer = tenant()
        if issuer is not None and issuer.is_dead:
            raise Died(issuer.name)
        number = len(self.done) + 1
        self.done.append(Done(number, self._clock.monotonic(), effect))
        found: Fault | None = None
        for watcher in self.watchers:
            found = watcher.before(number, effect) or found
        self._open.setdefault((effect, issuer), []).append(number)
        return found

    def after(self, effect: Effect, outcome: str) -> None:
        """It was applied or refused."""
        place = (effect, tenant())
        numbers = self._open.get(place)
        if not numbers:
            return  # it was issued before the process died and took effect late
        number = numbers.pop(0)
        if not numbers:
            del self._open[place]
        issued = self.done[number - 1]
        self.done[number - 1] = Done(number, issued.at, effect, outcome)
        for watcher in self.watchers:
            watcher.after(number, effect, outcome)

    def reading(self, effect: Effect) -> Fault | None:
        """A listing is about to be read."""
        found: Fault | None = None
        for watcher in self.watchers:
            found = watcher.reading(effect) or found
        return found


def through(
    hub: Effects, effect: Effect, act: Callable[[], T], lost: Callable[[str], BaseException]
) -> T:
    """Do one thing that happens at once, as an effect; a watcher's fault may lose it.

    lost  makes the error that the process sees instead of an answer
    """
    fault = hub.before(effect)
    if fault is not None and fault.kind is Kind.LOST_REQUEST:
        hub.after(effect, "lost")
        raise lost("the request was lost")
    result = act()
    hub.after(effect, "ok")
    if fault is not None and fault.kind is Kind.LOST_RESPONSE:
        raise lost("the answer was lost")
    return result
