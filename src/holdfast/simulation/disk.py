"""The database of a simulated installation: SQLite in memory, asked without threads.

It outlives the process: a crash rolls back what was open, as a power cut would. Statements run
inline, so that nothing depends on the order in which threads answer. The store's code is the same;
only the connection under SQLAlchemy's driver is this one.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Executable

from holdfast.model.ids import EngineKey
from holdfast.providers.sim.effects import Effect, Effects, Quiet
from holdfast.simulation import time
from holdfast.simulation.effects import NOBODY, through
from holdfast.store import direct
from holdfast.store.database import Database
from holdfast.store.marks import Mark
from holdfast.store.migrate import migrate
from holdfast.store.session import Row, Session

URL = "sqlite+aiosqlite://"

T = TypeVar("T")


@dataclass(slots=True)
class MarkBeside:
    """The mark that lies apart from the database: a backup that is put back does not change it."""

    mark: Mark | None = None

    async def read(self) -> Mark | None:
        """The mark."""
        return self.mark

    async def write(self, mark: Mark) -> None:
        """Replace it."""
        self.mark = mark


class Disk:
    """Holds the data; hands out one connection a process."""

    def __init__(self, hub: Effects, template: sqlite3.Connection | None = None) -> None:
        self.raw = sqlite3.connect(
            ":memory:",
            isolation_level=None,
            check_same_thread=False,
            cached_statements=direct.STATEMENTS,
        )
        self.beside = MarkBeside()
        self.hub = hub
        self.turn = asyncio.Lock()
        self.claim: tuple[EngineKey, int] | None = None  # key and epoch of the guarded write
        if template is not None:
            template.backup(self.raw)
        self.raw.execute("PRAGMA foreign_keys=ON")

    def database(self, is_alive: Callable[[], bool]) -> Database:
        """The database as one process sees it; it fails once the process is not alive."""
        return Database(URL, _Source(self, is_alive))

    def power_cut(self) -> None:
        """What was not committed is lost."""
        if self.raw.in_transaction:
            self.raw.rollback()
        self.turn = asyncio.Lock()

    def backup(self) -> sqlite3.Connection:
        """A copy of what is committed now."""
        copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self.raw.backup(copy)
        return copy

    def put_back(self, backup: sqlite3.Connection) -> None:
        """The database becomes what it was at the time of a backup; no process may run."""
        backup.backup(self.raw)

    def close(self) -> None:
        """Nobody needs it any more."""
        self.raw.close()


class _Source:
    """The disk, as one process reaches it."""

    is_single = True

    def __init__(self, disk: Disk, is_alive: Callable[[], bool]) -> None:
        self._disk = disk
        self._is_alive = is_alive

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        yield _Session(self._disk, self._is_alive)

    async def close(self) -> None:
        """The disk stays."""


class _Session:
    """A connection whose statements end before they are awaited and whose commits are effects."""

    dialect = "sqlite"

    def __init__(self, disk: Disk, is_alive: Callable[[], bool]) -> None:
        self._raw = disk.raw
        self._hub = disk.hub
        self._turn = disk.turn
        self._is_alive = is_alive
        self._written: dict[str, None] = {}

    async def begin(self, *, writes: bool) -> None:
        """Nobody else can write while this has its turn: a reader needs no transaction."""
        self._check()
        await self._turn.acquire()
        try:
            self._check()
            if writes:
                self._raw.execute("BEGIN IMMEDIATE")
        except BaseException:
            self._turn.release()
            raise

    async def rows(self, statement: Executable, values: Mapping[str, Any]) -> Sequence[Row]:
        return direct.rows(self._raw, self._prepared(statement, tuple(values)), values)

    async def values(
        self, statement: Executable, values: Mapping[str, Any], make: Callable[[Row], T]
    ) -> list[T]:
        it = self._prepared(statement, tuple(values))
        return direct.values(self._raw, it, values, make)

    async def change(
        self, statement: Executable, values: Mapping[str, Any] | Sequence[Mapping[str, Any]]
    ) -> int:
        if isinstance(values, Mapping):
            it = self._prepared(statement, tuple(values))
        else:
            it = self._prepared(statement, tuple(values[0]), many=True)
        return direct.change(self._raw, it, values)

    async def commit(self, done: Callable[[], None]) -> None:
        """An effect, by the tables that it changed; one that changed nothing is none."""
        self._check()
        try:
            if self._written:
                effect = Effect("store", "commit", ",".join(self._written), NOBODY)
                through(self._hub, effect, self._raw.commit, sqlite3.OperationalError)
            else:
                self._raw.commit()
            done()
        except sqlite3.OperationalError as error:
            if self._raw.in_transaction:
                self._raw.rollback()
            raise direct.wrapped("COMMIT", (), error) from error
        finally:
            self._turn.release()

    async def rollback(self) -> None:
        try:
            if self._is_alive() and self._raw.in_transaction:
                self._raw.rollback()
        finally:
            self._turn.release()

    async def lent(self, work: Callable[..., T], *args: Any) -> T:
        self._check()
        return direct.lent(self._raw, work, *args)

    def _prepared(
        self, statement: Executable, names: tuple[str, ...], *, many: bool = False
    ) -> direct.Prepared:
        """The statement; what it changes is noted, and begins a reader's transaction."""
        self._check()
        it = direct.prepared(statement, names, many=many)
        if it.writes is not None:
            self._written[it.writes] = None
            if not self._raw.in_transaction:
                self._raw.execute("BEGIN")
        return it

    def _check(self) -> None:
        if not self._is_alive():
            raise ValueError("Connection closed")


@cache
def template() -> sqlite3.Connection:
    """A migrated, empty database to copy from; made once a process, on a loop of its own.

    Call it before a virtual loop runs.
    """

    async def made() -> sqlite3.Connection:
        disk = Disk(Quiet())
        database = disk.database(lambda: True)
        await migrate(database)
        await database.close()
        return disk.raw

    made_now: sqlite3.Connection = time.run(made())
    return made_now
