"""The mark beside the database: tells a database that is older than what was done with it.

Each pass that acts raises the mark of the database in its own commit, and copies it to a file
beside the database afterwards. A database that is put back from a backup has a lower mark than
the file, or no file at all where it was moved to. A crash between the two leaves the file behind,
which means nothing.
"""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sqlalchemy import select, update

from holdfast.clock import Clock
from holdfast.store.database import Tx
from holdfast.store.tables import installation

MOVED = "the database has no mark of its own beside it: it was moved or put back"
BETWEEN = 1.0  # seconds between two marks: backups are not taken more often

_ROW = installation.c
_MARK = select(_ROW.id, _ROW.mark)
_RAISE = update(installation).values(mark=_ROW.mark + 1).returning(_ROW.id, _ROW.mark)
_SETTLE = update(installation)


@dataclass(frozen=True, slots=True)
class Mark:
    """Of which installation, and how far it was."""

    installation: str
    number: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """`doubt` says why the database is not the newest, empty when it may be; `mark` holds then."""

    doubt: str
    mark: Mark


class Beside(Protocol):
    """Where the mark lies apart from the database."""

    async def read(self) -> Mark | None:
        """The mark; None when there is none or it can't be understood."""
        ...

    async def write(self, mark: Mark) -> None:
        """Replace it, whole or not at all."""
        ...


class MarkFile:
    """`<database>.mark`: the installation and a number."""

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + ".mark")

    async def read(self) -> Mark | None:
        """The mark; None when there is none or it can't be understood."""
        return await asyncio.to_thread(self._read)

    async def write(self, mark: Mark) -> None:
        """Replace it, whole or not at all."""
        await asyncio.to_thread(self._write, mark)

    def _read(self) -> Mark | None:
        try:
            installed, _, number = self.path.read_text().strip().partition(" ")
            return Mark(installed, int(number))
        except (OSError, ValueError):
            return None

    def _write(self, mark: Mark) -> None:
        fresh = self.path.with_name(f"{self.path.name}.new")
        with fresh.open("w") as file:
            file.write(f"{mark.installation} {mark.number}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)


class Marks:
    """Raises the mark, and judges a database by it. Without `beside` nothing can be told."""

    def __init__(self, clock: Clock, beside: Beside | None) -> None:
        self._clock = clock
        self._beside = beside
        self._raised_at: float | None = None

    async def raised(self, tx: Tx) -> Mark | None:
        """One higher, as a part of the commit of a pass that acts; None: it was raised just now."""
        now = self._clock.monotonic()
        if self._beside is None or (
            self._raised_at is not None and now - self._raised_at < BETWEEN
        ):
            return None
        row = await tx.row(_RAISE)
        if row is None:
            return None
        self._raised_at = now
        return Mark(row["id"], row["mark"])

    async def keep(self, mark: Mark | None) -> None:
        """After the commit: copy it to where it lies apart."""
        if mark is not None and self._beside is not None:
            await self._beside.write(mark)

    async def judged(self, tx: Tx) -> Judgement | None:
        """Whether the database may be the newest; None before the first start."""
        row = await tx.row(_MARK)
        if self._beside is None or row is None:
            return None
        own, found = Mark(row["id"], row["mark"]), await self._beside.read()
        if found is None or found.installation != own.installation:
            doubt = MOVED if own.number > 1 else ""  # the first mark may have missed its copy
            return Judgement(doubt, own)
        if found.number > own.number:
            behind = found.number - own.number
            return Judgement(f"the database is older than what was done: {behind} marks", found)
        return Judgement("", own)

    async def settle(self, tx: Tx, mark: Mark) -> None:
        """Take a mark over, so that the next start has no doubt for the same reason."""
        await tx.run(_SETTLE, mark=mark.number)
