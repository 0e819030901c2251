"""The shape of the repository: names, lengths, docstrings, and the same files for every cloud."""

import ast
from pathlib import Path

import pytest

from holdfast.settings import table

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
REFUSED = {"utils", "helpers", "common", "misc", "base", "core", "manager", "handler", "service"}
REFUSED |= {"processor"}
FILES_OF_A_CLOUD = {"client", "translate", "provider", "catalogue", "errors"}
LONGEST = 400
LONG = 300


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert [path for path in SOURCES if path.stem in REFUSED or path.parent.name in REFUSED] == []


def test_every_module_says_its_job_first() -> None:
    silent = [path for path in SOURCES if not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []


def test_no_file_is_longer_than_the_limit() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in SOURCES}
    assert {path: length for path, length in lengths.items() if length > LONGEST} == {}


def test_a_long_file_says_why_at_its_head() -> None:
    long = [path for path in SOURCES if len(path.read_text().splitlines()) > LONG]
    reasons = {path: ast.get_docstring(ast.parse(path.read_text())) or "" for path in long}
    assert [path for path, text in reasons.items() if "Long because" not in text] == []


def test_every_cloud_has_the_same_files() -> None:
    folders = [path for path in (ROOT / "src/holdfast/providers").iterdir() if path.is_dir()]
    clouds = [path for path in folders if (path / "__init__.py").exists() and path.name != "sim"]
    assert clouds
    missing = {
        cloud.name: FILES_OF_A_CLOUD - {path.stem for path in cloud.glob("*.py")}
        for cloud in clouds
    }
    assert {cloud: names for cloud, names in missing.items() if names} == {}


@pytest.mark.parametrize("word", ["TODO", "FIXME", "XXX"])
def test_no_unfinished_marks_are_left(word: str) -> None:
    assert [path for path in SOURCES if word in path.read_text()] == []


def test_the_documented_settings_are_those_of_the_code() -> None:
    text = (ROOT / "docs/operations.md").read_text()
    documented = text.partition("<!-- settings:begin -->\n")[2].partition("\n<!-- settings:end")[0]
    assert documented == table()
