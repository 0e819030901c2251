"""The faults in force and their inverses: each is recorded when it begins and when it ends.

FaultBody --begin--> an effect (on a machine, on a link, in the cloud's table) + its undoing
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from holdfast_sandbox.control.bodies import FaultBody, FaultKind
from holdfast_sandbox.control.server import Refused

Undo = Callable[[], str]
"""Takes a fault back; answers what that meant, in words."""


class Effects(Protocol):
    """What makes faults real."""

    def begin(self, body: FaultBody) -> Undo:
        """Put a fault in force. Raises Refused when its target does not exist."""
        ...


@dataclass(frozen=True, slots=True)
class Record:
    """A fault that was asked for. `ended` is None while it is in force."""

    id: str
    settings: Mapping[str, object]
    began: datetime
    ended: datetime | None = None
    outcome: str = ""

    def shown(self) -> dict[str, object]:
        """As the API shows it."""
        return {
            "id": self.id,
            **self.settings,
            "began": self.began.isoformat(),
            "ended": self.ended.isoformat() if self.ended else None,
            "outcome": self.outcome,
        }


class Faults:
    """Every fault since the sandbox started."""

    def __init__(self, effects: Effects, now: Callable[[], datetime]) -> None:
        self._effects = effects
        self._now = now
        self._guard = threading.RLock()
        self._records: dict[str, Record] = {}
        self._undo: dict[str, Undo] = {}
        self._timers: dict[str, threading.Timer] = {}

    def begin(self, body: FaultBody) -> Record:
        """Put a fault in force, for its seconds where it has such."""
        undo = self._effects.begin(body)
        with self._guard:
            name = f"f-{len(self._records) + 1}"
            settings = body.model_dump(mode="json", exclude_none=True)
            record = Record(name, settings, self._now().astimezone(UTC))
            self._records[name] = record
            self._undo[name] = undo
            if body.seconds is not None:
                timer = threading.Timer(body.seconds, self._expire, [name])
                timer.daemon = True
                self._timers[name] = timer
                timer.start()
        return record

    def end(self, name: str) -> Record:
        """Take a fault back; once is enough. Raises Refused for an unknown id."""
        with self._guard:
            record = self._records.get(name)
            if record is None:
                raise Refused(404, f"no fault {name}")
            if record.ended is not None:
                return record
            self._records[name] = record = replace(record, ended=self._now().astimezone(UTC))
            undo = self._undo.pop(name)
            timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()
        outcome = undo()
        with self._guard:
            self._records[name] = record = replace(record, outcome=outcome)
        return record

    def all(self) -> list[Record]:
        """All, oldest first, also those that ended."""
        with self._guard:
            return list(self._records.values())

    def close(self) -> None:
        """Let no timer fire any more."""
        with self._guard:
            timers, self._timers = self._timers, {}
        for timer in timers.values():
            timer.cancel()

    def _expire(self, name: str) -> None:
        self.end(name)


ON_MACHINES = frozenset({FaultKind.MACHINE_KILL, FaultKind.MACHINE_FREEZE, FaultKind.MACHINE_CUT})
