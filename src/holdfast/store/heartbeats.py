"""Heartbeats of the agents, in memory: five seconds apart they are too many to commit.

After a restart the agents that are known are expected anew: one that stays silent is late
`late_after` seconds after the start, not at once and not never.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from holdfast.clock import Clock
from holdfast.model.ids import MachineId
from holdfast.model.observed import AgentSeen

LATE_AFTER = 12.0  # seconds; two heartbeats of five seconds may be lost


@dataclass(slots=True)
class _Beat:
    """`at` is the wall clock, for people; `seconds` the monotonic clock, for lateness."""

    at: datetime
    seconds: float
    told_late: bool = False


class Heartbeats:
    """Who was heard when, and whose lateness changed."""

    def __init__(self, clock: Clock, late_after: float = LATE_AFTER) -> None:
        self.late_after = late_after
        self._clock = clock
        self._beats: dict[MachineId, _Beat] = {}

    def beat(self, machine: MachineId, now: datetime) -> None:
        """The machine's agent said something."""
        known = self._beats.get(machine)
        told = known is not None and known.told_late
        self._beats[machine] = _Beat(now, self._clock.monotonic(), told)

    def expect(self, heard: Mapping[MachineId, datetime]) -> None:
        """Start waiting for agents that were last heard by an earlier process."""
        for machine, at in heard.items():
            self._beats.setdefault(machine, _Beat(at, self._clock.monotonic()))

    def forget(self, machine: MachineId) -> None:
        """The machine was written off: its silence means nothing any more."""
        self._beats.pop(machine, None)

    def view(self) -> dict[MachineId, AgentSeen]:
        """What is known of every agent."""
        return {
            machine: AgentSeen(beat.at, late=self._is_late(beat))
            for machine, beat in self._beats.items()
        }

    def changes(self) -> list[MachineId]:
        """Machines that became late or came back since the last call: each wakes its cluster."""
        changed = []
        for machine, beat in self._beats.items():
            late = self._is_late(beat)
            if late != beat.told_late:
                beat.told_late = late
                changed.append(machine)
        return changed

    def _is_late(self, beat: _Beat) -> bool:
        return self._clock.monotonic() - beat.seconds > self.late_after
