"""The page docs/faults.md: fault, situation, levels, tests, results, and what still waits."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.fault_table.catalogue import CATALOGUE, LEVELS, Fault
from tests.fault_table.marks import Mark
from tests.fault_table.waiting import WAITING

PATH = Path(__file__).parents[2] / "docs/faults.md"
HEAD = """\
# Faults and their tests

Written by `python -m tests.fault_table` from the marks of the tests; don't edit it.

What can go wrong has a number. A test that shows how the platform takes it is marked with the
number and with its level: **P** pure, **S** simulation, **W** the cloud's own wire and call-backs
over HTTP, **B** booted machines. `make check` fails for a fault that lacks a test at a level at
which it needs one, unless it waits (last section). Results are those of the last runs before this
page was written; "-" has not run there (booted tests need Linux and root).
"""
COLUMNS = 6
TABLE = "| fault | situation | needs | level | test | result |\n|---|---|---|---|---|---|"
WAITS = """\
## What waits

These levels have no test yet: the part that they need does not exist, or the test itself is to be
written. The list may only get shorter.

| fault | level | waits for |
|---|---|---|"""


def page(marks: Iterable[Mark], results: Mapping[str, str]) -> str:
    """The whole page."""
    of_fault: dict[str, list[Mark]] = {}
    for mark in marks:
        of_fault.setdefault(mark.id, []).append(mark)
    lines = [line for fault in CATALOGUE for line in _rows(fault, of_fault, results)]
    waits = [f"| {number} | {level} | {part} |" for (number, level), part in sorted_waiting()]
    counts = _counts(of_fault)
    return "\n".join([HEAD, counts, "", TABLE, *lines, "", WAITS, *waits, ""])


def without_results(text: str) -> str:
    """The page as far as it follows from the sources alone."""
    lines = [
        line.rpartition(" | ")[0]
        if line.startswith("|") and line.count("|") == COLUMNS + 1
        else line
        for line in text.splitlines()
    ]
    return "\n".join(lines)


def sorted_waiting() -> list[tuple[tuple[str, str], str]]:
    """The waiting list, by fault and level."""
    return sorted(WAITING.items(), key=lambda row: (row[0][0], LEVELS.index(row[0][1])))


def _rows(
    fault: Fault, of_fault: Mapping[str, list[Mark]], results: Mapping[str, str]
) -> list[str]:
    head = f"| {fault.id} {fault.name} | {fault.situation} | {' '.join(fault.required)} "
    lines = []
    for mark in of_fault.get(fault.id, []):
        test = f"`{mark.test.removeprefix('tests/')}`"
        lines.append(f"{head}| {mark.level} | {test} | {results.get(mark.test, '-')} |")
        head = "| | | "
    return lines or [f"{head}| | waits | - |"]


def _counts(of_fault: Mapping[str, list[Mark]]) -> str:
    needed = {(fault.id, level) for fault in CATALOGUE for level in fault.required}
    shown = {(mark.id, mark.level) for found in of_fault.values() for mark in found} & needed
    tests = {mark.test for found in of_fault.values() for mark in found}
    return (
        f"{len(CATALOGUE)} faults need tests at {len(needed)} levels: {len(shown)} have them, in "
        f"{len(tests)} tests; {len(WAITING)} wait."
    )
