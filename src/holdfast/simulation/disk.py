"""The database of a simulated installation: SQLite in memory, asked without threads.

It outlives the process: a crash rolls back what was open, as a power cut would. Statements run
inline, so that nothing depends on the order in which threads answer. The store's code is the same;
only the connection under SQLAlchemy's driver is this one.
"""

import asyncio
import re
import sqlite3
from collections.abc import Callable, Generator
from functools import cache
from typing import Any

import aiosqlite

from holdfast.providers.sim.effects import Effect, Effects, Quiet
from holdfast.simulation import time
from holdfast.simulation.effects import NOBODY, through
from holdfast.store.database import Database, Inline
from holdfast.store.migrate import migrate

URL = "sqlite+aiosqlite://"
_WRITE = re.compile(r"\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+(\w+)", re.IGNORECASE)


_COMPILED: dict[Any, Any] = {}  # the store's statements, compiled once a process


class Disk:
    """Holds the data; hands out one connection a process."""

    def __init__(self, hub: Effects, template: sqlite3.Connection | None = None) -> None:
        self.raw = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._hub = hub
        self._turn = asyncio.Lock()
        if template is not None:
            template.backup(self.raw)

    def database(self, is_alive: Callable[[], bool]) -> Database:
        """The database as one process sees it; it fails once the process is not alive."""

        def connect(*_: object, **__: object) -> _Connection:
            return _Connection(self.raw, self._hub, self._turn, is_alive)

        return Database(URL, Inline(connect, _COMPILED))

    def power_cut(self) -> None:
        """What was not committed is lost."""
        if self.raw.in_transaction:
            self.raw.rollback()
        self._turn = asyncio.Lock()

    def close(self) -> None:
        """Nobody needs it any more."""
        self.raw.close()


class _NoQueue:
    """The driver's queue to its thread, without a thread: runs each function at once."""

    def put_nowait(self, item: "tuple[asyncio.Future[Any] | None, Callable[[], Any]]") -> None:
        future, function = item
        try:
            result = function()
        except BaseException as error:
            if future is None:
                raise
            future.set_exception(error)
            return
        if future is not None:
            future.set_result(result)


class _Connection(aiosqlite.Connection):
    """A connection of the driver whose statements run inline and whose commits are effects."""

    def __init__(
        self,
        raw: sqlite3.Connection,
        hub: Effects,
        turn: asyncio.Lock,
        is_alive: Callable[[], bool],
    ) -> None:
        super().__init__(lambda: raw, 64)
        self._tx = _NoQueue()  # type: ignore[assignment]
        self._raw = raw
        self._hub = hub
        self._turn = turn
        self._is_alive = is_alive
        self._holds_turn = False
        self._written: dict[str, None] = {}

    def __await__(self) -> Generator[Any, None, aiosqlite.Connection]:
        self._connection = self._raw
        return self
        yield  # what makes this a generator, as the driver expects

    async def _execute(self, fn: Callable[..., Any], *args: Any, **named: Any) -> Any:
        if self._connection is None or not self._is_alive():
            raise ValueError("Connection closed")
        sql = args[0] if args and isinstance(args[0], str) else ""
        if sql.startswith("BEGIN"):
            await self._turn.acquire()
            self._holds_turn = True
            self._written.clear()
        elif (found := _WRITE.match(sql)) is not None:
            self._written[found[1].lower()] = None
        return fn(*args, **named)

    async def commit(self) -> None:
        """An effect, by the tables that it changed; one that changed nothing is none."""
        if not self._is_alive():
            raise ValueError("Connection closed")
        try:
            if self._written:
                effect = Effect("store", "commit", ",".join(self._written), NOBODY)
                through(self._hub, effect, self._raw.commit, sqlite3.OperationalError)
            else:
                self._raw.commit()
        except sqlite3.OperationalError:
            if self._raw.in_transaction:
                self._raw.rollback()
            raise
        finally:
            self._end()

    async def rollback(self) -> None:
        """Take back what is open."""
        if self._is_alive():
            self._raw.rollback()
        self._end()

    async def close(self) -> None:
        """The disk stays."""
        self._connection = None

    def stop(self) -> None:
        """There is no thread."""
        self._connection = None

    def _end(self) -> None:
        self._written.clear()
        if self._holds_turn:
            self._holds_turn = False
            self._turn.release()


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
