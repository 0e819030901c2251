"""One point of the sweep by its name: "create:7:123:lost_response".

scenario : seed : number of the effect : mode, and for a pair "+ steps : mode": the second blow
falls so many effects after the first one, in the process that followed.
"""

import re
from dataclasses import dataclass

from holdfast.simulation.sweep.modes import Mode

_FORM = re.compile(r"([a-z0-9-]+):(\d+):(\d+):([a-z_]+)(?:\+(\d+):([a-z_]+))?")


class NoSuchPoint(ValueError):
    """The text names no point; it says why."""


@dataclass(frozen=True, slots=True)
class Point:
    """Where and how a run is disturbed. `steps` and `then`: the second blow of a pair."""

    scenario: str
    seed: int
    number: int
    mode: Mode
    steps: int = 0
    then: Mode | None = None

    def __str__(self) -> str:
        second = f"+{self.steps}:{self.then}" if self.then else ""
        return f"{self.scenario}:{self.seed}:{self.number}:{self.mode}{second}"


def parsed(text: str) -> Point:
    """The point that a text names. Raises NoSuchPoint."""
    found = _FORM.fullmatch(text)
    if found is None:
        message = f"point {text!r}: expected scenario:seed:effect:mode, as create:7:123:before"
        raise NoSuchPoint(message)
    scenario, seed, number, mode, steps, then = found.groups()
    for word in filter(None, (mode, then)):
        if word not in set(Mode):
            raise NoSuchPoint(f"point {text!r}: mode {word!r} is none of {', '.join(Mode)}")
    if int(number) < 1:
        raise NoSuchPoint(f"point {text!r}: effects are counted from 1")
    second = Mode(then) if then else None
    return Point(scenario, int(seed), int(number), Mode(mode), int(steps or 0), second)
