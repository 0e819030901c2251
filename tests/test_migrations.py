"""From an empty database to the newest schema, and never a difference to `tables`."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from holdfast.clock import SystemChance, SystemClock
from holdfast.store.database import Database
from holdfast.store.errors import UnusableDatabase
from holdfast.store.migrate import SCRIPTS, migrate, newest
from holdfast.store.store import open_store
from holdfast.store.tables import metadata
from holdfast.store.vault import Vault


def _url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path}/holdfast.db"


@asynccontextmanager
async def _database(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        await database.close()


def _vault() -> Vault:
    return Vault([b"k" * 32], SystemChance())


def _differences(connection: Connection) -> list[object]:
    options = {"compare_type": True, "compare_server_default": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def _schema(connection: Connection) -> dict[str, str]:
    """Name to definition of every table and index, spaces and order of columns aside."""
    rows = connection.execute(
        text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'alem%'")
    )
    return {name: " ".join(sorted(re.findall(r"[^\s,()]+", sql))) for name, sql in rows}


def test_an_empty_database_becomes_what_the_tables_say(tmp_path: Path) -> None:
    async def story() -> None:
        async with _database(_url(tmp_path)) as migrated, _database("sqlite+aiosqlite://") as made:
            await migrate(migrated)
            async with migrated.reading() as tx:
                assert await tx.lent(_differences) == []
                by_revisions = await tx.lent(_schema)
            async with made.writing() as tx:
                await tx.lent(metadata.create_all)
                assert await tx.lent(_schema) == by_revisions

    asyncio.run(story())


def test_a_second_start_keeps_schema_and_rows(tmp_path: Path) -> None:
    async def story() -> None:
        for _ in range(2):
            async with (
                await open_store(_url(tmp_path), _vault(), SystemClock(), SystemChance()) as store,
                store.writing() as tx,
            ):
                await store.tokens.create(tx, "robot")
                names = [token.name for token in await store.tokens.list(tx)]
        assert names == ["robot", "robot"]

    asyncio.run(story())


def test_a_schema_of_a_later_release_is_refused_by_name(tmp_path: Path) -> None:
    async def story() -> None:
        async with _database(_url(tmp_path)) as database:
            await migrate(database)
            async with database.writing() as tx:
                await tx.run(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(UnusableDatabase, match=r"holdfast\.db: its schema is of another rel"):
            await open_store(_url(tmp_path), _vault(), SystemClock(), SystemChance())

    asyncio.run(story())


def test_a_migration_that_fails_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    async def story() -> None:
        async with _database(_url(tmp_path)) as database:
            async with database.writing() as tx:
                await tx.run(text("CREATE TABLE machines (id TEXT)"))
            with pytest.raises(OperationalError, match="machines already exists"):
                await migrate(database)
            async with database.reading() as tx:
                assert set(await tx.lent(_schema)) == {"machines"}

    asyncio.run(story())


def test_revisions_form_one_line_and_import_nothing_of_ours() -> None:
    files = sorted(path.name for path in (SCRIPTS / "versions").glob("0*.py"))
    assert newest() == files[-1].split("_")[0]
    for file in files:
        assert "holdfast" not in (SCRIPTS / "versions" / file).read_text()
