"""Reads a stream of server-sent events line by line; no I/O."""

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event of a cluster, as plain JSON values, and the number to resume behind."""

    seq: int
    data: dict[str, Any]


@dataclass(slots=True)
class Decoder:
    """Collects lines until a blank one ends an event. Source: WHATWG HTML, "Server-sent events"."""

    _id: str = ""
    _data: list[str] = field(default_factory=list)

    def feed(self, line: str) -> StreamEvent | None:
        """One line without its end; returns the event that it completes. Pings give None."""
        if line:
            self._field(line)
            return None
        data, self._data = self._data, []
        if not data or not self._id.isdecimal():
            return None
        return StreamEvent(int(self._id), json.loads("\n".join(data)))

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            self._id = value
        elif name == "data":
            self._data.append(value)
