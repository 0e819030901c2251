"""What the agent remembers over restarts, and how it runs programmes."""

import os
import time
from pathlib import Path

import pytest
from tests.agent.programs import Programs, a_directory

from holdfast.agent import commands, files
from holdfast.agent.state import Stage, State


def test_stage_contact_and_orders_survive(tmp_path: Path) -> None:
    directory = a_directory(tmp_path)
    state = State(directory)
    assert state.stage is Stage.NEW
    state.note(contact={"role": "worker"}, stage=Stage.CONTACTED.value)
    state.keep_instructions({"mode": "join"})
    state.note_order("o1", {"ok": True})
    again = State(directory)
    assert again.stage is Stage.INSTRUCTED
    assert again.contact == {"role": "worker"}
    assert again.instructions == {"mode": "join"}
    assert again.order_result("o1") == {"ok": True}
    assert again.order_result("o2") is None
    again.drop_instructions()
    again.drop_instructions()
    assert State(directory).instructions is None


def test_only_the_newest_orders_are_remembered(tmp_path: Path) -> None:
    state = State(a_directory(tmp_path))
    for number in range(150):
        state.note_order(str(number), {"ok": True})
    assert state.order_result("149") is not None
    assert state.order_result("10") is None


def test_secrets_are_written_for_root_alone_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        State(a_directory(tmp_path)).keep_instructions({"secret": 1})
        files.write(tmp_path / "public", "x", 0o644)
    finally:
        os.umask(old)
    assert (tmp_path / "agent/instructions.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "public").stat().st_mode & 0o777 == 0o644


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    files.write(path, "one")
    files.write(path, b"two")
    assert files.read(path) == "two"
    assert files.read(tmp_path / "none") is None
    assert list(path.parent.iterdir()) == [path]


def test_a_programme_that_hangs_is_killed_with_its_children(
    tmp_path: Path, programs: Programs
) -> None:
    programs.add("hang", f"sleep 60 & echo $! > {tmp_path}/child; wait")
    started = time.monotonic()
    done = commands.run(["hang"], 0.5)
    assert done.code == 124
    assert time.monotonic() - started < 10
    child = int((tmp_path / "child").read_text())
    while is_alive(child) and time.monotonic() - started < 10:
        time.sleep(0.01)
    assert not is_alive(child)


def is_alive(process: int) -> bool:
    """False for a process that is gone or only waits to be reaped."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_missing_programme_is_a_failure_by_name() -> None:
    done = commands.run(["no-such-programme"], 1)
    assert done.code == 127
    assert "no-such-programme" in done.output


def test_what_is_needed_raises_with_the_tail_of_the_output(programs: Programs) -> None:
    programs.add("fail", "seq 5000; echo last >&2; exit 7")
    with pytest.raises(commands.CommandFailed, match="exit code 7") as failed:
        commands.need(["fail"], 10)
    assert failed.value.output.endswith("last\n")
    assert len(failed.value.output) <= commands.TAIL


def test_no_programme_reads_our_input(programs: Programs) -> None:
    programs.add("ask", "read -r line; echo got:$line")
    assert commands.need(["ask"], 5) == "got:\n"
    assert commands.run(["cat"], 5, text="given").output == "given"
