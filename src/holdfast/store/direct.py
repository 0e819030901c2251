"""Runs the store's statements straight on SQLite's driver.

SQLAlchemy compiles each statement once a process and says how its columns' types go in and come
out; after that only the driver is asked. Its own execution is a layer that is made anew for each
call: it took half of the CPU of a simulated run, and takes four trips to the connection's thread
for each query of a real one. What rows were made into is remembered for a simulation, where all
passes of all clusters share one process and one second.
"""

import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Executable, create_engine
from sqlalchemy.dialects.sqlite.aiosqlite import dialect as driver
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool
from sqlalchemy.types import TypeEngine

from holdfast.store.session import Row

ROWS = 32768  # remembered with what was made of them; about two thousand bytes each
STATEMENTS = 512  # statements with their columns; the store has about a hundred
_WRITE = re.compile(r"\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+(\w+)", re.IGNORECASE)
_DIALECT: Dialect = driver(paramstyle="qmark")

T = TypeVar("T")
Process = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A compiled statement.

    slots    what stands at each "?": a parameter's name, how its value goes in
    fixed    the values that the statement itself has
    columns  name of each column that comes back, and how its value comes out
    writes   the table that it changes, None for a query
    """

    sql: str
    slots: tuple[tuple[str, Process | None], ...]
    fixed: Mapping[str, Any]
    columns: tuple[tuple[str, Process | None], ...]
    writes: str | None

    def bound(self, values: Mapping[str, Any]) -> list[Any]:
        """The values in the order of the SQL, as the driver takes them. Raises KeyError."""
        given = {**self.fixed, **values} if self.fixed else values
        return [
            given[name] if process is None else process(given[name]) for name, process in self.slots
        ]

    def row(self, raw: Sequence[Any]) -> dict[str, Any]:
        """A row as the columns' types give it."""
        return {
            name: value if process is None else process(value)
            for (name, process), value in zip(self.columns, raw, strict=True)
        }


@lru_cache(STATEMENTS)
def prepared(statement: Executable, names: tuple[str, ...], *, many: bool = False) -> Prepared:
    """A statement that sets these names, compiled for SQLite.

    many  it is executed for several rows: then no key that the database makes is asked for
    """
    compiled: Any = statement.compile(  # type: ignore[attr-defined]
        dialect=_DIALECT, column_keys=list(names) or None, for_executemany=many
    )
    sql = str(compiled)
    found = _WRITE.match(sql)
    columns = getattr(statement, "exported_columns", ())
    return Prepared(
        sql,
        tuple((name, _in(compiled.binds[name].type)) for name in compiled.positiontup),
        {name: value for name, value in compiled.params.items() if name not in names},
        tuple((column.key, _out(column.type)) for column in columns),
        None if found is None else found[1].lower(),
    )


def rows(connection: sqlite3.Connection, it: Prepared, values: Mapping[str, Any]) -> list[Row]:
    """Execute once; all rows that come back. Raises DBAPIError, as SQLAlchemy does."""
    bound = it.bound(values)
    try:
        return [it.row(raw) for raw in connection.execute(it.sql, bound)]
    except sqlite3.Error as error:
        raise wrapped(it.sql, bound, error) from error


def values(
    connection: sqlite3.Connection,
    it: Prepared,
    given: Mapping[str, Any],
    make: Callable[[Row], T],
) -> list[T]:
    """Execute once; what is made of each row that comes back. Raises DBAPIError."""
    bound = it.bound(given)
    try:
        found = connection.execute(it.sql, bound).fetchall()
    except sqlite3.Error as error:
        raise wrapped(it.sql, bound, error) from error
    return [_made(it, make, raw) for raw in found]


@lru_cache(ROWS)
def _made(it: Prepared, make: Callable[[Row], Any], raw: tuple[Any, ...]) -> Any:
    return make(it.row(raw))


def change(
    connection: sqlite3.Connection,
    it: Prepared,
    values: Mapping[str, Any] | Sequence[Mapping[str, Any]],
) -> int:
    """Execute once or for each; how many rows were touched. Raises DBAPIError."""
    try:
        if isinstance(values, Mapping):
            return connection.execute(it.sql, it.bound(values)).rowcount
        return connection.executemany(it.sql, [it.bound(each) for each in values]).rowcount
    except sqlite3.Error as error:
        raise wrapped(it.sql, values, error) from error


def wrapped(sql: str, values: Any, error: sqlite3.Error) -> BaseException:
    """The driver's error, as SQLAlchemy would raise it."""
    return DBAPIError.instance(sql, values, error, sqlite3.Error, dialect=_DIALECT)


def lent(connection: sqlite3.Connection, work: Callable[..., T], *args: Any) -> T:
    """Run work on SQLAlchemy's own connection, within the transaction that is open.

    What it commits or rolls back is still the caller's to commit or to roll back.
    """
    engine = create_engine("sqlite://", creator=lambda: _Lent(connection), poolclass=StaticPool)
    with engine.connect() as own:
        return work(own, *args)


class _Lent:
    """A connection whose transaction belongs to someone else."""

    def __init__(self, owned: sqlite3.Connection) -> None:
        self._owned = owned

    def __getattr__(self, name: str) -> Any:
        return getattr(self._owned, name)

    def commit(self) -> None:
        """The owner does."""

    def rollback(self) -> None:
        """The owner does."""

    def close(self) -> None:
        """The owner does."""


def _in(type_: TypeEngine[Any]) -> Process | None:
    process: Process | None = type_.dialect_impl(_DIALECT).bind_processor(_DIALECT)
    return process


def _out(type_: TypeEngine[Any]) -> Process | None:
    process: Process | None = type_.dialect_impl(_DIALECT).result_processor(_DIALECT, None)
    return process
