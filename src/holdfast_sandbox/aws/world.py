"""The collaborators of the emulator in one value: state, clock, faults, hypervisor, settings."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from holdfast_sandbox.aws.faults import Facts, FaultTable, Kind
from holdfast_sandbox.aws.hypervisor import Hypervisor
from holdfast_sandbox.aws.settings import EmulatorSettings
from holdfast_sandbox.aws.state import State, Timer


@dataclass(frozen=True, slots=True)
class Notice:
    """An EC2 event for the account's event bus."""

    account: str
    region: str
    kind: str
    vm_id: str
    detail: dict[str, Any]


def nobody_listens(notice: Notice) -> None:
    """Drop an event."""


def no_console(vm_id: str) -> str:
    """The console of machines that have none."""
    return f"{vm_id}: no console is attached\n"


def always(target: str, port: int) -> bool:  # noqa: ARG001 - a source of health asks them
    """A target that nobody can ask counts as healthy."""
    return True


@dataclass(slots=True)
class World:
    """Handed to every part; only `state` is kept over a restart."""

    settings: EmulatorSettings
    hypervisor: Hypervisor
    clock: Callable[[], datetime]
    seed: int
    state: State
    faults: FaultTable = field(default_factory=FaultTable)
    console: Callable[[str], str] = no_console
    answers: Callable[[str, int], bool] = always
    publish: Callable[[Notice], None] = nobody_listens

    def now(self) -> datetime:
        """The cloud's own time: the given clock plus what a clock fault adds."""
        fault = self.faults.find((Kind.CLOCK,), Facts())
        shift = timedelta(seconds=fault.value) if fault else timedelta(0)
        return self.clock().astimezone(UTC) + shift

    def stamp(self) -> datetime:
        """`now` without a zone, as moto's models keep times."""
        return self.now().replace(tzinfo=None)

    def chance(self, *about: str) -> random.Random:
        """Randomness that depends on the seed and what it is about, not on the order of calls."""
        return random.Random(":".join((str(self.seed), *about)))

    def after(self, delay: timedelta, place: tuple[str, str], what: str, thing: str) -> None:
        """Let the transition `what` happen to `thing` of (account, region) when `delay` is over."""
        account, region = place
        self.state.timers.append(Timer(self.now() + delay, account, region, what, thing))
