"""What was asked of the cloud, kept apart from what the cloud holds: the invariants read this."""

import base64
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One mutating call. `code` is empty on success; `ids` are those that the answer names.

    `applied` tells whether the call had its effect (a lost response had, a lost request had not).
    """

    number: int
    at: datetime
    account: str
    region: str
    key: str
    caller: str
    service: str
    action: str
    params: Mapping[str, Any]
    status: int
    code: str
    ids: tuple[str, ...]
    applied: bool
    request_id: str


@dataclass(frozen=True, slots=True)
class GapEntry:
    """Something asked for that the sandbox does not have."""

    at: datetime
    service: str
    action: str
    message: str


def plain(value: Any) -> Any:
    """Parameters as JSON can carry them: bytes as base64, moments as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if isinstance(value, datetime) else value


@dataclass(slots=True)
class CallRecord:
    """Every mutating call, the number of all calls, and every gap."""

    entries: list[Entry] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    gaps: list[GapEntry] = field(default_factory=list)

    def since(self, number: int) -> list[Entry]:
        """The entries after the one with this number; 0 gives all."""
        return self.entries[number:]
