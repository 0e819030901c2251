"""Progress as text, programmes that are run, and the subcommand's answers."""

import io
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from rich.console import Console

from holdfast_sandbox.machines.prepare import command, commands, debian, progress
from holdfast_sandbox.machines.prepare.errors import CommandFailed, PrepareError

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


def test_off_a_terminal_a_part_writes_lines_at_intervals() -> None:
    seconds: Iterator[int] = count(0, 4)
    out = io.StringIO()
    lines = progress.Lines(Console(file=out, width=200), lambda: next(seconds))
    with lines.part("Baking") as step:
        step.total(9)
        for what in ("flour", "eggs", "milk", "salt"):
            step.advance(what)
    written = out.getvalue().splitlines()
    assert written[0] == "Baking ..."
    assert written[1] == "Baking: 3 of 9 milk"
    assert written[-1].startswith("Baking: ")
    assert written[-1].endswith(" s")


def test_on_a_terminal_a_part_is_a_bar_that_ends_full() -> None:
    out = io.StringIO()
    shown = progress.on(Console(file=out, force_terminal=True, width=120))
    assert isinstance(shown, progress.Terminal)
    with shown.part("Baking") as step:
        step.total(2)
        step.advance("flour")
    assert "Baking" in out.getvalue()
    assert "done" in out.getvalue()


@linux_only
def test_a_failed_programme_is_reported_with_its_last_words() -> None:
    with pytest.raises(CommandFailed, match=r"ended with 3:\nlast words"):
        commands.run(["sh", "-c", "echo last words >&2; exit 3"])


@linux_only
def test_a_programme_that_is_missing_is_named() -> None:
    with pytest.raises(CommandFailed, match="no-such-programme"):
        commands.run(["no-such-programme"])


@linux_only
def test_an_interrupted_programme_is_ended_with_its_children(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"

    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    script = f"sleep 600 & echo $! > {pid_file}; echo started; wait"
    with pytest.raises(KeyboardInterrupt):
        commands.run(["sh", "-c", script], on_line=interrupt)
    child = int(pid_file.read_text())
    state = Path(f"/proc/{child}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("sources.list", "deb http://mirror.test/debian bookworm main\n", "mirror.test/debian"),
        ("sources.list", "deb http://mirror.test/ubuntu noble main\n", "deb.debian.org/debian"),
        ("sources.list", "# deb http://old.test/debian x\n", "deb.debian.org/debian"),
        ("sources.list.d/d.sources", "URIs: https://m.test/debian/\n", "m.test/debian"),
        (
            "sources.list.d/d.sources",
            "URIs: http://m.test/debian-security\n",
            "deb.debian.org/debian",
        ),
    ],
)
def test_the_hosts_own_mirror_is_used(tmp_path: Path, name: str, text: str, found: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    assert debian.mirror(tmp_path).partition("://")[2] == found


def test_a_failure_is_one_line_and_an_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise PrepareError("no room")

    monkeypatch.setattr(command, "make", fail)
    assert command.prepare(store=tmp_path) == 1
    assert capsys.readouterr().err == "prepare: no room\n"


def test_an_interruption_says_that_finished_parts_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "make", interrupt)
    assert command.prepare(store=tmp_path) == 130
    assert "finished parts are kept" in capsys.readouterr().err


def test_an_unknown_version_is_refused_before_anything_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.prepare(kubernetes=["1.20.0"], store=tmp_path) == 1
    assert "Kubernetes 1.20.0 is unknown here" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
