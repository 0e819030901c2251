"""The agent's archive: the same bytes for the same sources, and one that runs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast import agent
from holdfast.bootstrap import archive

SOURCES = {path.name: path.read_bytes() for path in Path(agent.__path__[0]).glob("*.py")}


def test_the_order_of_the_sources_does_not_matter() -> None:
    backwards = dict(reversed(SOURCES.items()))
    assert archive.build(SOURCES) == archive.build(backwards)


def test_another_source_is_another_archive() -> None:
    changed = {**SOURCES, "join.py": SOURCES["join.py"] + b"#"}
    assert archive.sha256(archive.build(SOURCES)) != archive.sha256(archive.build(changed))


def test_it_runs_isolated_from_what_is_installed(tmp_path: Path) -> None:
    packed = tmp_path / "agent.pyz"
    packed.write_bytes(archive.build(SOURCES))
    done = subprocess.run(
        [sys.executable, "-I", "-S", packed],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.stderr == "usage: agent.pyz run|forward\n"
    assert done.returncode == 1


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_python_310_reads_every_module(name: str) -> None:
    tree = ast.parse(SOURCES[name], feature_version=(3, 10))
    newer = {"TaskGroup", "timeout_at", "StrEnum", "UTC", "ExceptionGroup", "Self", "tomllib"}
    used = {getattr(node, "attr", getattr(node, "id", "")) for node in ast.walk(tree)}
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert newer.isdisjoint(used | imported)


def test_it_is_small() -> None:
    assert len(archive.build(SOURCES)) < 64 * 1024
