"""What the call-back routes remember between requests: counters not yet persisted, and a limit.

Both are bounded: counters exist only for machines whose signature was verified and that are not
silent for long, the limit for the newest claimed ids.
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from holdfast.clock import Clock
from holdfast.model.ids import MachineId
from holdfast.store.agents import AgentRow

RECORDED_PER_MINUTE = 10  # refusals of one claimed machine
ALL_PER_MINUTE = 60
SILENT = timedelta(hours=1)
KEPT = 1000  # machines that are remembered before any is forgotten
CLAIMED = 1000  # ids that the limit remembers


@dataclass(frozen=True, slots=True)
class Last:
    """The last message that was accepted of a machine, and its answer."""

    counter: int
    digest: str
    answer: bytes


class Memory:
    """Of all machines; empty after a restart."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: dict[MachineId, Last] = {}
        self._persisted_at: dict[MachineId, datetime] = {}
        self._limit = KEPT
        self._refused: OrderedDict[str, list[float]] = OrderedDict()
        self._all_refused: list[float] = []

    def __contains__(self, machine: MachineId) -> bool:
        return machine in self._last

    def last(self, machine: MachineId, agent: AgentRow | None) -> Last | None:
        """The newest of what is remembered and what is stored; None before first contact."""
        if agent is None:
            return None
        remembered = self._last.get(machine)
        if remembered is not None and remembered.counter > agent.counter:
            return remembered
        return Last(agent.counter, agent.last_digest, agent.last_answer or b"")

    def count(self, machine: MachineId, last: Last, every: timedelta) -> bool:
        """Remember it; True when it is time to persist the counter."""
        known = self._last.get(machine)
        if known is None or last.counter > known.counter:
            self._last[machine] = last
        now = self._clock.now()
        if now - self._persisted_at.get(machine, now - every) < every:
            return False
        self._persisted_at[machine] = now
        if len(self._last) > self._limit:
            self._forget_silent(now)
        return True

    def _forget_silent(self, now: datetime) -> None:
        """Machines that are gone say nothing; one that speaks again is known by its row."""
        for machine, at in list(self._persisted_at.items()):
            if now - at > SILENT:
                del self._persisted_at[machine]
                self._last.pop(machine, None)
        self._limit = max(KEPT, 2 * len(self._last))

    def persisted(self, machine: MachineId, last: Last) -> None:
        """It was written in its effect's own transaction."""
        self.count(machine, last, timedelta())

    def may_record(self, claimed: str) -> bool:
        """False when so many refusals were recorded in the last minute that one more says nothing.

        Anybody can cause refusals: without a limit they would fill the database and hide the rest.
        """
        now = self._clock.monotonic()
        times = self._refused.pop(claimed[:64], [])
        self._refused[claimed[:64]] = times
        if len(self._refused) > CLAIMED:
            self._refused.popitem(last=False)
        for kept, most in ((times, RECORDED_PER_MINUTE), (self._all_refused, ALL_PER_MINUTE)):
            kept[:] = [at for at in kept if now - at < 60]
            if len(kept) >= most:
                return False
        times.append(now)
        self._all_refused.append(now)
        return True
