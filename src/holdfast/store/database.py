"""Opens the database and runs transactions: one writer at a time, one transaction a task."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Executable, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from holdfast.model.event import Event
from holdfast.model.ids import ClusterId, EngineKey
from holdfast.model.wake import Why
from holdfast.store.errors import NestedTransaction, UnusableDatabase
from holdfast.store.pool import Pool, in_memory
from holdfast.store.session import Row, Session, Source

T = TypeVar("T")


@dataclass(slots=True)
class Tx:
    """One open transaction. Events, wakes and the clusters whose rows were changed, noted here,
    are told to listeners after the commit.

    Statements are constants of their modules; the values of their parameters, and of the columns
    that they set, are given by name.
    """

    session: Session
    events: list[Event] = field(default_factory=list)
    wakes: list[tuple[EngineKey, Why]] = field(default_factory=list)
    changed: set[ClusterId] = field(default_factory=set)
    is_committed: bool = False

    def committed(self) -> None:
        """All of it is kept."""
        self.is_committed = True

    async def rows(self, statement: Executable, **values: Any) -> Sequence[Row]:
        """All rows of a query, or those that a change returns."""
        return await self.session.rows(statement, values)

    async def row(self, statement: Executable, **values: Any) -> Row | None:
        """The first row of a query, or None."""
        found = await self.session.rows(statement, values)
        return found[0] if found else None

    async def values(
        self, statement: Executable, make: Callable[[Row], T], **values: Any
    ) -> list[T]:
        """What a pure function makes of each row of a query; frozen, since it may be remembered."""
        return await self.session.values(statement, values, make)

    async def value(
        self, statement: Executable, make: Callable[[Row], T], **values: Any
    ) -> T | None:
        """What a pure function makes of the first row, or None."""
        found = await self.session.values(statement, values, make)
        return found[0] if found else None

    async def run(self, statement: Executable, **values: Any) -> int:
        """Execute one change; returns how many rows it touched."""
        return await self.session.change(statement, values)

    async def each(self, statement: Executable, values: Sequence[Mapping[str, Any]]) -> None:
        """Execute one change for each of the values."""
        if values:
            await self.session.change(statement, values)

    async def insert(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert new rows."""
        await self.each(_insert(table), rows)

    async def upsert(
        self, table: Table, rows: Sequence[Mapping[str, Any]], keep: Iterable[str] = ()
    ) -> None:
        """Insert rows by primary key, or replace the columns of those that are there.

        `keep` names columns that an existing row keeps.
        """
        if rows:
            statement = _upsert(table, tuple(rows[0]), frozenset(keep), self.session.dialect)
            await self.each(statement, rows)

    async def lent(self, work: Callable[..., T], *args: Any) -> T:
        """Run work that wants SQLAlchemy's own connection, as a migration does."""
        return await self.session.lent(work, *args)


@cache
def _insert(table: Table) -> Executable:
    return table.insert()


@cache
def _upsert(table: Table, names: tuple[str, ...], keep: frozenset[str], dialect: str) -> Executable:
    kept = keep | {column.name for column in table.primary_key}
    statement = insert_of(table, dialect)
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={name: statement.excluded[name] for name in names if name not in kept},
    )


def insert_of(table: Table, dialect: str) -> sqlite.Insert:
    """An INSERT that knows ON CONFLICT, in a dialect; PostgreSQL's has the methods that we use."""
    if dialect == "postgresql":
        return cast("sqlite.Insert", postgresql.insert(table))
    return sqlite.insert(table)


class Database:
    """The connections, one writer at a time, and the rule of one transaction per task.

    An in-memory database has a single connection: there readers take turns with the writer too.
    `source` gives connections of another maker: a simulation's, without threads.
    """

    def __init__(self, url: str, source: Source | None = None) -> None:
        self.url = parsed(url)
        self._source = Pool(self.url) if source is None else source
        self._turn = asyncio.Lock()
        self._holding: set[asyncio.Task[Any] | None] = set()

    @property
    def file(self) -> Path | None:
        """The file of the database; None in memory."""
        return None if in_memory(self.url) else Path(str(self.url.database))

    @property
    def open_transactions(self) -> int:
        """Answers owed by database threads: virtual time must not jump while one is open."""
        return len(self._holding)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Tx]:
        """A consistent view; what the body writes is rolled back."""
        turn = self._turn if self._source.is_single else nullcontext()
        with self._one_per_task():
            async with turn, self._source.session() as session:
                await session.begin(writes=False)
                try:
                    yield Tx(session)
                finally:
                    await session.rollback()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Tx]:
        """A transaction that is committed at the end, or rolled back when the body raises."""
        with self._one_per_task():
            async with self._turn, self._source.session() as session:
                await session.begin(writes=True)
                tx = Tx(session)
                try:
                    yield tx
                except BaseException:
                    await session.rollback()
                    raise
                await session.commit(tx.committed)

    async def close(self) -> None:
        """Close every connection."""
        await self._source.close()

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
