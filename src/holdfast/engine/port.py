"""The port of the work engine: wake-ups by key only; the handler reads the row.

| promise       | detail                                                                       |
|---------------|------------------------------------------------------------------------------|
| at least once | every wake leads to a pass that begins after it; duplicates are harmless     |
| one at a time | MUST NOT run two handlers of one key at once; the lease stands behind it     |
| coalesce      | many wakes before a start: one pass, highest class; wakes during it: one more|
| order         | by class, then age; run-now replaces a delayed entry of the same key         |
| delay         | `requeue` never delays or hides a wake                                       |
| handler       | never raises; the engine logs a raise as our bug and requeues as RETRY       |
| stop          | on cancel: no new work, running passes get their grace, then are cancelled   |
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

from holdfast.model.ids import EngineKey
from holdfast.model.wake import Again, Why

Handler = Callable[[EngineKey], Awaitable[Again]]


class WorkEngine(Protocol):
    """Wakes keys and runs their handler."""

    async def wake(self, key: EngineKey, why: Why) -> None:
        """Run the key's pass as soon as possible. Call after the reason was committed."""
        ...

    async def requeue(self, key: EngineKey, again: Again) -> None:
        """Run the key's pass later."""
        ...

    async def run(self, handle: Handler, concurrency: int) -> None:
        """Serve until cancelled."""
        ...
