"""No pass reads through a whole table: what it costs must not grow with the number of clusters."""

import re

import pytest
from sqlalchemy import Executable

from holdfast.simulation import disk
from holdfast.simulation.run import play
from holdfast.store import (
    agents,
    clusters,
    credentials,
    direct,
    installation,
    leases,
    machines,
    marks,
    observe_only,
    orphans,
)

SCAN = re.compile(r"SCAN (\w+)")
WHOLE = {
    agents._HEARD: "at the start of a process",
    leases._CLEAR: "at the start of a process",
    installation._GET: "one row",
    credentials._ALL: "a handful, when people list them",
    clusters._LIVING: "for people's lists, and to find those to watch",
    clusters._WITH_ENDPOINT: "at the start of a process",
    machines._LIVING: "for people's lists, one query for all",
    marks._MARK: "one row",
    marks._RAISE: "one row",
    observe_only._STATE: "one row",
    orphans._ALL: "what is shown to people and removed by them: none, or a handful",
}


def scanned(it: direct.Prepared) -> set[str]:
    """The tables that a statement reads from end to end."""
    found = disk.template().execute(f"EXPLAIN QUERY PLAN {it.sql}", [None] * len(it.slots))
    return {match[1] for row in found if (match := SCAN.search(row[3])) is not None}


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> dict[Executable, direct.Prepared]:
    """Every statement that the store executes from now on."""
    found: dict[Executable, direct.Prepared] = {}
    original = direct.prepared

    def noted(
        statement: Executable, names: tuple[str, ...], *, many: bool = False
    ) -> direct.Prepared:
        found[statement] = original(statement, names, many=many)
        return found[statement]

    monkeypatch.setattr(direct, "prepared", noted)
    return found


@pytest.mark.parametrize("scenario", ["delete", "heal-worker"])
def test_statements_of_a_life_find_their_rows_by_an_index(
    scenario: str, executed: dict[Executable, direct.Prepared]
) -> None:
    assert play(scenario).is_good
    assert len(executed) > 40
    through = {it.sql: scanned(it) for each, it in executed.items() if each not in WHOLE}
    assert {sql: tables for sql, tables in through.items() if tables} == {}


def test_a_statement_without_an_index_would_be_found() -> None:
    query = clusters._LIVING.where(clusters._ROW.phase == "ready")
    assert scanned(direct.prepared(query, ())) == {"clusters"}
