"""The demo, interrupted: everything that it started is gone."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from demo.stage import ROOT

from holdfast_sandbox.machines import image, probe

pytestmark = [pytest.mark.booted, pytest.mark.timeout(240)]


@pytest.fixture(autouse=True)
def _machines_boot() -> None:
    if reason := probe.missing(image.default_store()):
        pytest.skip(f"booted machines: skipped ({reason})")


@pytest.fixture
def demo(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A demo of its own, in a directory of its own."""
    # A run in the background ignores the signal, and its children would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    places = ["--directory", str(tmp_path / "stage"), "--report", str(tmp_path / "report.json")]
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "demo", *places],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    yield process
    process.kill()
    process.wait()


def until(what: str, seen: Callable[[], object], limit: float) -> None:
    began = time.monotonic()
    while not seen():
        assert time.monotonic() - began < limit, f"{what}: not within {limit:g} s"
        time.sleep(0.1)


def left(directory: Path) -> list[str]:
    """Processes that name the directory, or run in a machine's or network's namespace of it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in command:
            found.append(f"{entry.parent.name}: {command[:120]}")
    return found


def machines() -> set[str]:
    """The control groups of all machines of all sandboxes on this host."""
    return {path.name for path in Path("/sys/fs/cgroup").glob("**/i-*") if path.is_dir()}


def test_ctrl_c_leaves_nothing(demo: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    before = machines()
    output = tmp_path / "output"
    until("machines boot", lambda: "VM created" in output.read_text(), 120)
    demo.send_signal(signal.SIGINT)
    assert demo.wait(90) == 130
    assert "interrupted; everything that it started is gone" in output.read_text()
    until("all processes are gone", lambda: not left(tmp_path / "stage"), 20)
    assert machines() - before == set()
