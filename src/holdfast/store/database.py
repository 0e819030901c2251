"""Opens the database and runs transactions; the only place that knows the dialect.

SQLite runs in WAL mode with `synchronous=FULL`: an intent that a power cut takes back after its
cloud call would be an orphan. Every writing transaction begins IMMEDIATE, because one that read
first and writes later fails at once when another connection committed in between.
"""

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Executable, RowMapping, Table, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncTransaction,
    create_async_engine,
)

from holdfast.model.event import Event
from holdfast.model.ids import EngineKey
from holdfast.model.wake import Why
from holdfast.store.errors import NestedTransaction, UnusableDatabase

SQLITE_PRAGMAS = (
    "PRAGMA busy_timeout=5000",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
)
CONNECTIONS = 8  # each is a thread; one writes, the others read
_WRITES = "holdfast_writes"


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Inline:
    """Connections of another maker, that run statements without threads.

    connect   gives an awaitable of an aiosqlite.Connection
    compiled  SQL that other databases of this process compiled already
    """

    connect: Callable[..., Awaitable[Any]]
    compiled: MutableMapping[Any, Any]


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


@dataclass(slots=True)
class Tx:
    """One open transaction. Events and wakes noted here are told to listeners after the commit."""

    connection: AsyncConnection
    is_inline: bool = False  # statements end before they are awaited: nothing can break them
    events: list[Event] = field(default_factory=list)
    wakes: list[tuple[EngineKey, Why]] = field(default_factory=list)
    is_committed: bool = False

    def whole(self, work: Awaitable[T]) -> Awaitable[T]:
        """The statement, to its end even when the task is cancelled meanwhile."""
        return work if self.is_inline else unbroken(work)

    async def rows(self, statement: Executable) -> Sequence[RowMapping]:
        """All rows of a query, or those that a change returns."""
        return (await self.whole(self.connection.execute(statement))).mappings().all()

    async def row(self, statement: Executable) -> RowMapping | None:
        """The first row of a query, or None."""
        return (await self.whole(self.connection.execute(statement))).mappings().first()

    async def run(self, statement: Executable) -> int:
        """Execute one change; returns how many rows it touched."""
        return (await self.whole(self.connection.execute(statement))).rowcount

    async def insert(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert new rows."""
        if rows:
            await self.whole(self.connection.execute(table.insert(), [dict(row) for row in rows]))

    async def upsert(
        self, table: Table, rows: Sequence[Mapping[str, Any]], keep: Iterable[str] = ()
    ) -> None:
        """Insert rows by primary key, or replace the columns of those that are there.

        `keep` names columns that an existing row keeps.
        """
        if not rows:
            return
        kept = set(keep) | {column.name for column in table.primary_key}
        changed = [name for name in rows[0] if name not in kept]
        statement = self.insert_of(table)
        statement = statement.on_conflict_do_update(
            index_elements=list(table.primary_key),
            set_={name: statement.excluded[name] for name in changed},
        )
        await self.whole(self.connection.execute(statement, [dict(row) for row in rows]))

    def insert_of(self, table: Table) -> sqlite.Insert:
        """An INSERT that knows ON CONFLICT, in the connection's dialect.

        PostgreSQL's has the same two methods that we use.
        """
        if self.connection.dialect.name == "postgresql":
            return cast("sqlite.Insert", postgresql.insert(table))
        return sqlite.insert(table)


class Database:
    """The engine, one writer at a time, and the rule of one transaction per task.

    An in-memory database has a single connection: there readers take turns with the writer too.
    `inline` is a simulation's: its statements end at once, without threads.
    """

    def __init__(self, url: str, inline: Inline | None = None) -> None:
        self.url = parsed(url)
        self._is_inline = inline is not None
        self._engine = _engine(self.url, inline)
        self._writer = self._engine.execution_options(**{_WRITES: True})
        self._turn = asyncio.Lock()
        self._holding: set[asyncio.Task[Any] | None] = set()

    @property
    def file(self) -> Path | None:
        """The file of the database; None in memory."""
        return None if _in_memory(self.url) else Path(str(self.url.database))

    @property
    def open_transactions(self) -> int:
        """Answers owed by database threads: virtual time must not jump while one is open."""
        return len(self._holding)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Tx]:
        """A consistent view; what the body writes is rolled back."""
        turn = self._turn if _in_memory(self.url) else nullcontext()
        with self._one_per_task():
            async with turn, self._engine.connect() as connection:
                tx = Tx(connection, self._is_inline)
                transaction = await tx.whole(connection.begin())
                try:
                    yield tx
                finally:
                    await tx.whole(transaction.rollback())

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Tx]:
        """A transaction that is committed at the end, or rolled back when the body raises."""
        with self._one_per_task():
            async with self._turn, self._writer.connect() as connection:
                tx = Tx(connection, self._is_inline)
                transaction = await tx.whole(connection.begin())
                try:
                    yield tx
                except BaseException:
                    await tx.whole(transaction.rollback())
                    raise
                await tx.whole(_commit(transaction, tx))

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    @contextmanager
    def _one_per_task(self) -> Iterator[None]:
        task = asyncio.current_task()
        if task in self._holding:
            message = "this task holds a transaction already; pass its tx on instead"
            raise NestedTransaction(message)
        self._holding.add(task)
        try:
            yield
        finally:
            self._holding.discard(task)


async def _commit(transaction: AsyncTransaction, tx: Tx) -> None:
    await transaction.commit()
    tx.is_committed = True


def parsed(url: str) -> URL:
    """The database's URL. Raises UnusableDatabase for one that this release does not serve."""
    try:
        result = make_url(url)
    except ArgumentError as error:
        message = "database URL: not understood (expected sqlite+aiosqlite:///<path>)"
        raise UnusableDatabase(message) from error
    if result.drivername != "sqlite+aiosqlite":
        message = (
            f"database URL {result.render_as_string(hide_password=True)}: this release serves "
            "sqlite+aiosqlite:///<path> only"
        )
        raise UnusableDatabase(message)
    return result


def _in_memory(url: URL) -> bool:
    return url.database in (None, "", ":memory:")


def _engine(url: URL, inline: Inline | None) -> AsyncEngine:
    options: dict[str, Any] = {}
    if not _in_memory(url):
        options |= {"pool_size": CONNECTIONS, "max_overflow": 0}
    if inline is not None:
        options["connect_args"] = {"async_creator_fn": inline.connect}
        options["execution_options"] = {"compiled_cache": inline.compiled}
        options["pool_reset_on_return"] = None  # every transaction is ended already
    engine = create_async_engine(url, **options)
    event.listen(engine.sync_engine, "connect", _set_pragmas)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _set_pragmas(connection: Any, _record: object) -> None:
    """On every new connection. `isolation_level` None leaves BEGIN to `_begin`."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in SQLITE_PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
