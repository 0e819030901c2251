"""Every fault has its tests or waits for a part, and the page says what the marks say."""

from pathlib import Path

import pytest
from tests.fault_table import ceiling, outcomes, page
from tests.fault_table.catalogue import CATALOGUE, LEVELS
from tests.fault_table.marks import Mark, marks
from tests.fault_table.waiting import WAITING

FOUND = marks()
SHOWN = {(mark.id, mark.level) for mark in FOUND}
REQUIRED = {(fault.id, level) for fault in CATALOGUE for level in fault.required}


def test_the_catalogue_is_numbered_without_a_gap() -> None:
    assert [fault.id for fault in CATALOGUE] == [f"F{n:02d}" for n in range(1, len(CATALOGUE) + 1)]
    assert len({fault.name for fault in CATALOGUE}) == len(CATALOGUE)
    assert all(set(fault.required) <= set(LEVELS) for fault in CATALOGUE)


def test_every_mark_names_a_fault_and_a_level() -> None:
    known = {fault.id for fault in CATALOGUE}
    assert [mark for mark in FOUND if mark.id not in known or mark.level not in LEVELS] == []


def test_no_required_level_is_without_a_test() -> None:
    assert sorted(REQUIRED - SHOWN - WAITING.keys()) == []


def test_nothing_waits_that_has_a_test_or_needs_none() -> None:
    assert sorted(WAITING.keys() & SHOWN) == []
    assert sorted(WAITING.keys() - REQUIRED) == []


def test_the_waiting_list_only_gets_shorter() -> None:
    assert sorted(WAITING.keys() - ceiling.read()) == []
    assert sorted(ceiling.read() - WAITING.keys()) == [], "run python -m tests.fault_table"


def test_the_page_says_what_the_marks_say() -> None:
    written = page.PATH.read_text()
    fresh = page.page(FOUND, {})
    hint = "run python -m tests.fault_table"
    assert page.without_results(written) == page.without_results(fresh), hint


def test_marks_are_found_in_every_form(tmp_path: Path) -> None:
    source = """
@pytest.mark.fault("F01", "W")
@fault("F02", level="S")
def test_one(): ...
@pytest.mark.fault("F01", "P")
@story
async def test_two(): ...
"""
    (tmp_path / "test_it.py").write_text(source)
    name = f"{tmp_path.name}/test_it.py"
    assert marks(tmp_path) == (
        Mark("F01", "P", f"{name}::test_two"),
        Mark("F01", "W", f"{name}::test_one"),
        Mark("F02", "S", f"{name}::test_one"),
    )


@pytest.mark.parametrize(
    "source",
    [
        '@pytest.mark.fault("F01")\ndef test_it(): ...',
        '@pytest.mark.fault("F01", "S")\ndef shared(): ...',
    ],
)
def test_a_mark_that_counts_for_nothing_is_refused(tmp_path: Path, source: str) -> None:
    (tmp_path / "test_it.py").write_text(source)
    with pytest.raises(ValueError, match=r"test_it\.py::"):
        marks(tmp_path)


def test_results_are_kept_over_runs_and_the_worst_of_a_run_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    assert outcomes.known(path) == {}
    outcomes.keep({"a": "passed", "b": "failed"}, path)
    outcomes.keep({"b": "passed"}, path)
    assert outcomes.known(path) == {"a": "passed", "b": "passed"}
    assert outcomes.worse("passed", "failed") == "failed"
    assert outcomes.worse("skipped", "passed") == "skipped"
