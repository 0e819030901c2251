"""The pool of real connections: SQLAlchemy's engine and its driver, which has a thread for each.

SQLite runs in WAL mode with `synchronous=FULL`: an intent that a power cut takes back after its
cloud call would be an orphan. Every writing transaction begins IMMEDIATE, because one that read
first and writes later fails at once when another connection committed in between.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy import Executable, event
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from holdfast.store import direct
from holdfast.store.session import Row, Session

SQLITE_PRAGMAS = (
    "PRAGMA busy_timeout=5000",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
)
CONNECTIONS = 8  # each is a thread; one writes, the others read

T = TypeVar("T")


class Pool:
    """Connections to a database by its URL; one in memory has a single connection."""

    def __init__(self, url: URL) -> None:
        self.is_single = in_memory(url)
        self._engine = _engine(url)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A connection for one transaction, given back at the end."""
        async with self._engine.connect() as connection:
            yield _Pooled(connection)

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()


class _Pooled:
    """A pooled connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    @property
    def dialect(self) -> str:
        return self._connection.dialect.name

    async def begin(self, *, writes: bool) -> None:
        await unbroken(self._begin("BEGIN IMMEDIATE" if writes else "BEGIN"))

    async def rows(self, statement: Executable, values: Mapping[str, Any]) -> Sequence[Row]:
        it = direct.prepared(statement, tuple(values))
        return await unbroken(self._rows(it, values))

    async def values(
        self, statement: Executable, values: Mapping[str, Any], make: Callable[[Row], T]
    ) -> list[T]:
        return [make(row) for row in await self.rows(statement, values)]

    async def change(
        self, statement: Executable, values: Mapping[str, Any] | Sequence[Mapping[str, Any]]
    ) -> int:
        given = dict(values) if isinstance(values, Mapping) else [dict(each) for each in values]
        return (await unbroken(self._connection.execute(statement, given))).rowcount

    async def commit(self, done: Callable[[], None]) -> None:
        await unbroken(self._commit(done))

    async def rollback(self) -> None:
        await unbroken(self._connection.rollback())

    async def lent(self, work: Callable[..., T], *args: Any) -> T:
        return await self._connection.run_sync(work, *args)

    async def _rows(self, it: direct.Prepared, values: Mapping[str, Any]) -> list[Row]:
        """One trip to the connection's thread, where SQLAlchemy's own way would take four."""
        raw: Any = (await self._connection.get_raw_connection()).driver_connection
        bound = it.bound(values)
        try:
            found = await raw.execute_fetchall(it.sql, bound)
        except sqlite3.Error as error:
            raise direct.wrapped(it.sql, bound, error) from error
        return [it.row(each) for each in found]

    async def _commit(self, done: Callable[[], None]) -> None:
        await self._connection.commit()
        done()

    async def _begin(self, sql: str) -> None:
        await self._connection.begin()
        await self._connection.exec_driver_sql(sql)


async def unbroken(work: Awaitable[T]) -> T:
    """Await a statement to its end even when the task is cancelled meanwhile.

    SQLAlchemy throws a connection away when its statement is cancelled, and with the connection
    an in-memory database. A cancelled commit would also leave its outcome unknown.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def in_memory(url: URL) -> bool:
    """There is no file behind it."""
    return url.database in (None, "", ":memory:")


def _engine(url: URL) -> AsyncEngine:
    options: dict[str, Any] = {}
    if not in_memory(url):
        options |= {"pool_size": CONNECTIONS, "max_overflow": 0}
    engine = create_async_engine(url, **options)
    event.listen(engine.sync_engine, "connect", _set_pragmas)
    return engine


def _set_pragmas(connection: Any, _record: object) -> None:
    """On every new connection. `isolation_level` None leaves BEGIN to the session."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in SQLITE_PRAGMAS:
        cursor.execute(pragma)
    cursor.close()
