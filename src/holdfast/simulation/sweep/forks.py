"""Forks a run at its effects: each child is disturbed there and goes on, the parent collects.

A fork is safe here: the loop has no thread and no socket, and the database lies in memory, so a
child owns a whole world of its own. A child never returns: it reports over a pipe and exits.
"""

import gc
import json
import os
import resource
import select
from asyncio import _set_running_loop, get_running_loop
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from holdfast.providers.sim.effects import Effect
from holdfast.providers.sim.faults import Fault
from holdfast.simulation.sweep.blow import Blow
from holdfast.simulation.sweep.point import Point

if TYPE_CHECKING:
    from holdfast.simulation.world import Simulation

CPU_LIMIT = 120  # seconds of CPU for one child; a run that needs more does not end
READ = 1 << 16


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one point.

    label       of the effect that was struck
    breaches    (invariant, text), none when all is well
    transcript  from the struck effect on, of a run that is not well
    cpu         seconds that the child needed
    """

    point: Point
    label: str
    breaches: tuple[tuple[str, str], ...]
    transcript: str = ""
    cpu: float = 0.0

    @property
    def is_good(self) -> bool:
        """Every invariant held."""
        return not self.breaches


Choose = Callable[[int, Effect], Iterable[Point]]


@dataclass(slots=True)
class Forks:
    """A watcher that forks for every point which `choose` names at an effect.

    at_once  children that run at the same time, at most
    """

    world: "Simulation"
    choose: Choose
    at_once: int
    results: list[Result] = field(default_factory=list)
    point: Point | None = None  # set in a child
    blow: Blow | None = None
    _pipe: int = -1
    _label: str = ""
    _children: "dict[int, _Child]" = field(default_factory=dict)  # by the pipe's end

    def before(self, number: int, effect: Effect) -> Fault | None:
        """An effect is issued: children begin here."""
        if self.blow is not None:
            return self.blow.before(number, effect)
        for point in self.choose(number, effect):
            if self._fork(point, effect.label) and self.blow is not None:
                return self.blow.before(number, effect)
        return None

    def after(self, number: int, effect: Effect, outcome: str) -> None:
        """It was applied."""
        if self.blow is not None:
            self.blow.after(number, effect, outcome)

    def reading(self, effect: Effect) -> Fault | None:
        """A listing is about to be read."""
        return None if self.blow is None else self.blow.reading(effect)

    def report(self, breaches: Iterable[tuple[str, str]], transcript: str) -> NoReturn:
        """In a child: tell the parent, and end."""
        told = {"breaches": list(breaches), "transcript": transcript}
        data = json.dumps(told).encode()
        while data:
            data = data[os.write(self._pipe, data) :]
        os._exit(0)

    def wait_for_all(self) -> None:
        """In the parent: until every child has reported."""
        while self._children:
            self._collect()

    def _fork(self, point: Point, label: str) -> bool:
        """True in the child."""
        while len(self._children) >= self.at_once:
            self._collect()
        loop = get_running_loop()
        gc.freeze()  # a collection must not touch, and so copy, what the child only shares
        reading, writing = os.pipe()
        pid = os.fork()
        if pid:
            os.close(writing)
            self._children[reading] = _Child(pid, point, label)
            return False
        _set_running_loop(loop)  # asyncio forgets the running loop in a process that was forked
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT, CPU_LIMIT))
        for other in (reading, *self._children):
            os.close(other)
        self._children.clear()
        self.point, self._pipe = point, writing
        self.blow = Blow(self.world, point.number, point.mode, point.steps, point.then)
        return True

    def _collect(self) -> None:
        """Read from whoever has something to say; a closed pipe is the end of its child."""
        ready, _, _ = select.select(list(self._children), [], [])
        for end in ready:
            child, data = self._children[end], os.read(end, READ)
            child.said += data
            if not data:
                os.close(end)
                del self._children[end]
                self.results.append(child.result())


@dataclass(slots=True)
class _Child:
    pid: int
    point: Point
    label: str
    said: bytes = b""

    def result(self) -> Result:
        _, status, used = os.wait4(self.pid, 0)
        cpu = used.ru_utime + used.ru_stime
        if status or not self.said:
            how = os.waitstatus_to_exitcode(status)
            why = f"the run ended with {how} after {cpu:.0f} s of CPU, without a verdict"
            return Result(self.point, self.label, (("I12", why),), "", cpu)
        told: dict[str, Any] = json.loads(self.said)
        breaches = tuple((str(one[0]), str(one[1])) for one in told["breaches"])
        return Result(self.point, self.label, breaches, str(told["transcript"]), cpu)
