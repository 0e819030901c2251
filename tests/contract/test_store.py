"""Transactions and the database itself: what is acknowledged is on disk, once."""

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from holdfast.model.event import NewEvent
from holdfast.model.ids import (
    ClusterId,
    MachineId,
)
from holdfast.store.errors import (
    DatabaseInUse,
    NestedTransaction,
    UnusableDatabase,
)
from holdfast.store.store import Store, open_store

AT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
ONE = ClusterId("c1")


def _pragma(connection: Connection, name: str) -> object:
    return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


def test_a_second_transaction_of_the_same_task_is_refused_and_not_a_deadlock(play: Any) -> None:
    async def story(store: Store) -> None:
        async with store.writing():
            with pytest.raises(NestedTransaction, match="pass its tx on"):
                async with store.reading():
                    pass
        async with store.writing():
            pass

    play(story)


def test_a_reading_transaction_keeps_nothing(play: Any, build: Any) -> None:
    async def story(store: Store) -> None:
        async with store.reading() as tx:
            await store.clusters.create(tx, build.cluster())
        async with store.reading() as tx:
            assert await store.clusters.list(tx) == []

    play(story)


def test_a_cancelled_task_loses_its_transaction_and_nothing_else(play: Any, build: Any) -> None:
    async def story(store: Store) -> None:
        await build.saved(store)
        for delay in range(30):

            async def write() -> None:
                async with store.writing() as tx:
                    for _ in range(5):
                        await store.events.append(tx, ONE, NewEvent("A", "a"))

            task = asyncio.create_task(write())
            for _ in range(delay):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert store.database.open_transactions == 0
        async with store.reading() as tx:
            events = await store.events.after(tx, ONE, 0, 1000)
        assert len(events) % 5 == 0
        assert [event.seq for event in events] == list(range(1, len(events) + 1))

    play(story)


def test_acknowledged_is_on_disk(tmp_path: Path, vault: Any, clock: Any, chance: Any) -> None:
    async def story() -> None:
        url = f"sqlite+aiosqlite:///{tmp_path}/holdfast.db"
        async with await open_store(url, vault, clock, chance) as store, store.writing() as tx:
            pragmas = [
                await tx.lent(_pragma, name)
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            ]
        assert pragmas == ["wal", 2, 1, 5000]

    asyncio.run(story())


def test_a_writer_waits_for_another_connection_instead_of_failing(
    tmp_path: Path, vault: Any, clock: Any, chance: Any, build: Any
) -> None:
    """A transaction that reads first must not meet SQLITE_BUSY_SNAPSHOT."""

    async def story() -> None:
        url = f"sqlite+aiosqlite:///{tmp_path}/holdfast.db"
        async with await open_store(url, vault, clock, chance) as store:
            await build.saved(store)
            other = sqlite3.connect(tmp_path / "holdfast.db", isolation_level=None, timeout=0)
            try:
                async with store.writing() as tx:
                    await store.clusters.get(tx, ONE)
                    with pytest.raises(sqlite3.OperationalError, match="locked"):
                        other.execute("UPDATE clusters SET event_seq = 7")
                    await store.events.append(tx, ONE, NewEvent("A", "a"))
            finally:
                other.close()

    asyncio.run(story())


def test_one_process_per_database(tmp_path: Path, vault: Any, clock: Any, chance: Any) -> None:
    async def story() -> None:
        url = f"sqlite+aiosqlite:///{tmp_path}/holdfast.db"
        async with await open_store(url, vault, clock, chance):
            with pytest.raises(DatabaseInUse, match=r"holdfast\.db: process \d+ serves it already"):
                await open_store(url, vault, clock, chance)
        async with await open_store(url, vault, clock, chance):
            pass

    asyncio.run(story())


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql+psycopg://u:pw@h/db", r"postgresql\+psycopg://u:\*\*\*@h/db: this release"),
        ("sqlite:///x.db", "this release serves"),
        ("nonsense", "not understood"),
    ],
)
def test_other_databases_are_refused_without_showing_a_password(
    url: str, message: str, vault: Any, clock: Any, chance: Any
) -> None:
    with pytest.raises(UnusableDatabase, match=message) as caught:
        asyncio.run(open_store(url, vault, clock, chance))
    assert "pw" not in str(caught.value)


def test_a_time_without_zone_is_refused_and_other_zones_become_utc(play: Any, build: Any) -> None:
    async def story(store: Store) -> None:
        east = AT.astimezone(timezone(timedelta(hours=5)))
        await build.saved(store, build.machine(chosen_at=east))
        async with store.writing() as tx:
            machine = await store.machines.get(tx, MachineId("m1"))
            assert machine is not None
            assert machine.chosen_at == AT
            assert machine.chosen_at.utcoffset() == timedelta(0)
            with pytest.raises(Exception, match="time without zone"):
                await store.machines.save(tx, build.machine(chosen_at=AT.replace(tzinfo=None)))

    play(story)


def test_a_thousand_clusters_are_two_queries(
    play: Any, monkeypatch: pytest.MonkeyPatch, build: Any
) -> None:
    async def story(store: Store) -> None:
        async with store.writing() as tx:
            for number in range(1000):
                id_ = ClusterId(f"c{number}")
                await store.clusters.create(tx, build.cluster(id_, f"web-{number}"))
            machines = [build.machine(f"m{n}", ClusterId(f"c{n % 1000}")) for n in range(3000)]
            await store.machines.save(tx, *machines)
        async with store.reading() as tx:
            queries = []

            def counting(original: Any) -> Any:
                async def counted(self: Any, statement: Any, *given: Any, **values: Any) -> Any:
                    queries.append(statement)
                    return await original(self, statement, *given, **values)

                return counted

            for name in ("row", "rows", "value", "values"):
                monkeypatch.setattr(type(tx), name, counting(getattr(type(tx), name)))
            assert len(await store.clusters.list(tx)) == 1000
            found = await store.machines.by_cluster(tx)
            assert {len(each) for each in found.values()} == {3}
            assert len(queries) == 2

    play(story)
