"""Queries go past SQLAlchemy's own execution; the answers are those that it would give."""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Executable

from holdfast.model.offering import Cloud
from holdfast.providers.sim.effects import Quiet
from holdfast.simulation import disk
from holdfast.simulation.quiet import until_quiet
from holdfast.simulation.run import virtually
from holdfast.simulation.world import Simulation
from holdfast.store import direct
from holdfast.store.database import Database

Asked = dict[direct.Prepared, Mapping[str, Any]]


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> dict[direct.Prepared, Executable]:
    """The statements that are prepared from now on."""
    found: dict[direct.Prepared, Executable] = {}
    original = direct.prepared

    def prepared(
        statement: Executable, names: tuple[str, ...], *, many: bool = False
    ) -> direct.Prepared:
        it = original(statement, names, many=many)
        found[it] = statement
        return it

    monkeypatch.setattr(direct, "prepared", prepared)
    return found


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """The queries that are asked from now on, each with the values of the last time."""
    found: Asked = {}

    def noting(original: Callable[..., Any]) -> Callable[..., Any]:
        def noted(
            raw: sqlite3.Connection, it: direct.Prepared, values: Mapping[str, Any], *make: Any
        ) -> Any:
            if it.writes is None:
                found[it] = values
            return original(raw, it, values, *make)

        return noted

    for name in ("rows", "values"):
        monkeypatch.setattr(direct, name, noting(getattr(direct, name)))
    return found


def _executed(
    connection: Connection, query: Executable, values: Mapping[str, Any]
) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(query, dict(values)).mappings()]


def test_every_query_of_a_life_is_answered_alike(
    tmp_path: Path, asked: Asked, statements: dict[direct.Prepared, Executable]
) -> None:
    path = tmp_path / "holdfast.db"
    copy = sqlite3.connect(path)

    async def life() -> None:
        async with Simulation.open() as world:
            await world.user.connect(Cloud.AWS)
            await world.user.create("web")
            await until_quiet(world)
            world.disk.raw.backup(copy)

    async def compared() -> int:
        found = 0
        real = Database(f"sqlite+aiosqlite:///{path}")
        shorter = disk.Disk(Quiet(), copy).database(lambda: True)
        for it, values in asked.items():
            query = statements[it]
            async with real.reading() as tx:
                expected = await tx.lent(_executed, query, values)
                assert await tx.rows(query, **values) == expected, it.sql
            async with shorter.reading() as tx:
                assert await tx.rows(query, **values) == expected, it.sql
                assert await tx.values(query, dict, **values) == expected, it.sql
            found += bool(expected)
        await real.close()
        return found

    virtually(life())
    assert asyncio.run(compared()) > 15
    copy.close()
