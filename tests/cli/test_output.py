"""Tables that fit, values that cannot act on the terminal, and a fast start."""

import importlib
import subprocess
import sys
from typing import Any

import pytest

from holdfast.__main__ import COMMANDS
from holdfast.cli.create import gathered
from holdfast.cli.output import Column, escaped, fields, fitted, table


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\nb\tc\r", "a\\x0ab\\x09c\\x0d"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("São", "São"),
    ],
)
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_a_table_has_titles_and_dashes_for_what_is_missing() -> None:
    columns = (Column("NAME", "name"), Column("IP", "network.publicIp"))
    items: list[dict[str, Any]] = [
        {"name": "a", "network": {"publicIp": "1.2.3.4"}},
        {"name": "bbbbbb"},
    ]
    assert table(items, columns).splitlines() == ["NAME    IP", "a       1.2.3.4", "bbbbbb  -"]


@pytest.mark.parametrize(
    ("widths", "width", "found"),
    [
        ([5, 5], 80, [5, 5]),
        ([60, 10], 40, [28, 10]),
        ([30, 30], 42, [20, 20]),
        ([30, 30], 1, [6, 6]),
        ([4], 1, [4]),
    ],
)
def test_the_widest_columns_give_way(widths: list[int], width: int, found: list[int]) -> None:
    assert fitted(widths, width) == found


def test_fields_leave_out_what_is_missing() -> None:
    assert fields([("A", "1"), ("LONG", 2), ("NO", None), ("EMPTY", "")]) == "A     1\nLONG  2"


def test_cost_lines_of_a_kind_are_gathered() -> None:
    lines = [
        {"detail": d, "price": {"hourly": "0.1000", "monthly": "72.00"}} for d in ("a", "b", "a")
    ]
    assert gathered(lines) == [
        {"count": 2, "detail": "a", "hourly": "0.2000", "monthly": "144.00"},
        {"count": 1, "detail": "b", "hourly": "0.1000", "monthly": "72.00"},
    ]


@pytest.mark.parametrize("command", [["--help"], ["cluster", "list"], ["machine", "list", "x"]])
def test_short_commands_load_nothing_heavy(command: list[str]) -> None:
    program = (
        "import sys\n"
        "from holdfast.__main__ import run\n"
        f"run({command!r})\n"
        "heavy = {'fastapi', 'sqlalchemy', 'pydantic', 'httpx2', 'rich', 'boto3', 'yaml'}\n"
        "print('LOADED', sorted(heavy & sys.modules.keys()))\n"
    )
    environment = {"HOLDFAST_URL": "http://127.0.0.1:9", "HOLDFAST_TOKEN": "t", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_every_command_can_be_loaded() -> None:
    for target, _ in COMMANDS.values():
        module, _, name = target.partition(":")
        assert hasattr(importlib.import_module(module), name)
