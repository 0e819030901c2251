"""What a transaction needs of a connection; the pool's connections and a simulation's both give it.

A statement is a constant: what changes from call to call are its values, by the names of its
parameters, or by the names of the columns that an INSERT or UPDATE sets. So nothing is built, and
nothing looked up by its structure, when it is executed again.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

from sqlalchemy import Executable

Row = Mapping[str, Any]  # column name to value, as the column's type gives it
T = TypeVar("T")


class Session(Protocol):
    """One connection, lent for one transaction."""

    @property
    def dialect(self) -> str:
        """The dialect's name, as SQLAlchemy calls it."""
        ...

    async def begin(self, *, writes: bool) -> None:
        """Start the transaction; one that writes locks the others out from the start."""
        ...

    async def rows(self, statement: Executable, values: Mapping[str, Any]) -> Sequence[Row]:
        """Execute once; all rows that come back. Raises SQLAlchemy's DBAPIError."""
        ...

    async def values(
        self, statement: Executable, values: Mapping[str, Any], make: Callable[[Row], T]
    ) -> list[T]:
        """Execute once; what `make` makes of each row that comes back.

        `make` MUST be a pure function to frozen values: equal rows MAY give the same value.
        """
        ...

    async def change(
        self, statement: Executable, values: Mapping[str, Any] | Sequence[Mapping[str, Any]]
    ) -> int:
        """Execute once, or once for each of the values; how many rows were touched."""
        ...

    async def commit(self, done: Callable[[], None]) -> None:
        """End it: all is kept, and `done` is called then, whatever becomes of the caller."""
        ...

    async def rollback(self) -> None:
        """End it: nothing is kept."""
        ...

    async def lent(self, work: Callable[..., T], *args: Any) -> T:
        """Run work that wants SQLAlchemy's own connection, as a migration does."""
        ...


class Source(Protocol):
    """Where sessions come from."""

    @property
    def is_single(self) -> bool:
        """There is one connection: readers take turns with the writer."""
        ...

    def session(self) -> AbstractAsyncContextManager[Session]:
        """A connection for one transaction, given back at the end."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...
