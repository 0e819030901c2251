"""What happened in a world, as text: two runs with one seed have the same, byte for byte.

Keys, certificates and signatures are not in it: real chance makes them (papers, identity.pki), and
nothing depends on them.
"""

import sqlite3
from dataclasses import dataclass, field
from datetime import UTC, datetime

from holdfast.clock import Clock
from holdfast.simulation.effects import Hub
from holdfast.simulation.time import EPOCH

EVENTS = "SELECT at, cluster, seq, reason, subject, message FROM events ORDER BY cluster, seq"


@dataclass(slots=True)
class Transcript:
    """Notes of the world, effects of the platform, and the events that users see."""

    clock: Clock
    hub: Hub
    notes: list[tuple[float, str]] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Something that happened in the world."""
        self.notes.append((self.clock.monotonic(), text))

    def text(self, disk: sqlite3.Connection, *, commits: bool = True) -> str:
        """Everything in order of time; without `commits` the store's own effects are left out."""
        lines = [(at, 0, f"{at:12.3f} world  {text}") for at, text in self.notes]
        lines += [
            (done.at, 1, done.line())
            for done in self.hub.done
            if commits or done.effect.port != "store"
        ]
        for at, cluster, seq, reason, subject, message in disk.execute(EVENTS):
            moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
            seconds = (moment - EPOCH).total_seconds()
            text = f"{cluster[:8]} #{seq} {reason} {subject}: {message}"
            lines.append((seconds, 2, f"{seconds:12.3f} event  {text}"))
        lines.sort(key=lambda line: line[:2])
        return "\n".join(line[2] for line in lines) + "\n"
