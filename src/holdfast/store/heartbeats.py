"""Heartbeats of the agents, in memory: five seconds apart they are too many to commit.

After a restart the agents that are known are expected anew: one that stays silent is late
`late_after` seconds after the start, not at once and not never.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from holdfast.clock import Clock
from holdfast.model.ids import MachineId
from holdfast.model.observed import AgentSeen

LATE_AFTER = 12.0  # seconds; two heartbeats of five seconds may be lost


@dataclass(frozen=True, slots=True)
class _Beat:
    """`at` is the wall clock, for people; `seconds` the monotonic clock, for lateness."""

    at: datetime
    seconds: float


class Heartbeats:
    """Who was heard when, and whose lateness changed."""

    def __init__(self, clock: Clock, late_after: float = LATE_AFTER) -> None:
        self.late_after = late_after
        self._clock = clock
        self._beats: dict[MachineId, _Beat] = {}
        self._in_time: dict[MachineId, _Beat] = {}  # not told to be late; longest silent first
        self._back: dict[MachineId, None] = {}  # told to be late, and heard since

    def beat(self, machine: MachineId, now: datetime) -> None:
        """The machine's agent said something."""
        if machine in self._beats and machine not in self._in_time:
            self._back[machine] = None
        self._hear(machine, now)

    def expect(self, heard: Mapping[MachineId, datetime]) -> None:
        """Start waiting for agents that were last heard by an earlier process."""
        for machine, at in heard.items():
            if machine not in self._beats:
                self._hear(machine, at)

    def forget(self, machine: MachineId) -> None:
        """The machine was written off: its silence means nothing any more."""
        for known in (self._beats, self._in_time, self._back):
            known.pop(machine, None)

    def view(self) -> Mapping[MachineId, AgentSeen]:
        """What is known of every agent at the moment that it is looked up."""
        return _View(self._beats, self._seen)

    def changes(self) -> list[MachineId]:
        """Machines that became late or came back since the last call: each wakes its cluster.

        Looks at those that changed only: it is asked every second, for thousands of agents.
        """
        late = []
        for machine, beat in self._in_time.items():
            if not self._is_late(beat):
                break
            late.append(machine)
        for machine in late:
            del self._in_time[machine]
        back = [machine for machine in self._back if machine in self._in_time]
        self._back.clear()
        return [*late, *back]

    def _hear(self, machine: MachineId, at: datetime) -> None:
        beat = _Beat(at, self._clock.monotonic())
        self._beats[machine] = beat
        self._in_time.pop(machine, None)
        self._in_time[machine] = beat

    def _seen(self, beat: _Beat) -> AgentSeen:
        return AgentSeen(beat.at, late=self._is_late(beat))

    def _is_late(self, beat: _Beat) -> bool:
        return self._clock.monotonic() - beat.seconds > self.late_after


class _View(Mapping[MachineId, AgentSeen]):
    """Every agent, none of which is judged before it is asked for."""

    def __init__(
        self, beats: Mapping[MachineId, _Beat], seen: Callable[[_Beat], AgentSeen]
    ) -> None:
        self._beats = beats
        self._judged = seen

    def __getitem__(self, machine: MachineId) -> AgentSeen:
        return self._judged(self._beats[machine])

    def __iter__(self) -> Iterator[MachineId]:
        return iter(self._beats)

    def __len__(self) -> int:
        return len(self._beats)
