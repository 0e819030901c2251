"""The honesty table names tests that exist, and every row of the hardening list has its test."""

import re
from pathlib import Path

HERE = Path(__file__).parent
TABLE = HERE.parents[2] / "docs" / "sandbox-honesty.md"
ROWS = 52


def known_tests() -> set[str]:
    texts = [path.read_text() for path in HERE.glob("test_*.py")]
    return {name for text in texts for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)}


def test_every_test_that_the_table_names_exists() -> None:
    section = TABLE.read_text().partition("## AWS: the wire API")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(test_\w+)`", section))
    assert named
    assert named - known_tests() == set()


def test_every_row_of_the_hardening_list_has_a_test() -> None:
    rows = {int(found[1]) for name in known_tests() if (found := re.match(r"test_h(\d\d)_", name))}
    assert set(range(1, ROWS + 1)) - rows == set()
