"""`holdfast sandbox`: a real sandbox with simulated machines, started, asked, stopped."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.terminal import Terminal

from holdfast.cli.exits import Failure
from holdfast.local import sandbox_process as process

pytest.importorskip("moto")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(monkeypatch, capsys)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state directory; whatever runs on it ends with the test."""
    path = tmp_path / "sandbox"
    monkeypatch.setenv("HOLDFAST_SANDBOX_STATE", str(path))
    yield path
    left = process.find(path)
    if left is not None:
        process.stop(left, 30)


def test_it_comes_up_is_asked_and_goes_down(run: Terminal, state: Path) -> None:
    up = run("sandbox", "up", "--machines", "simulated", "--output", "json")
    assert up.code == 0, up.err
    ready = json.loads(up.out)
    assert ready["aws"].startswith("http://127.0.0.1:")
    assert "secretAccessKey" not in up.out

    again = run("sandbox", "up", "--machines", "simulated", "--output", "json")
    assert again.code == 0
    assert json.loads(again.out)["pid"] == ready["pid"]
    assert "already" in again.err

    status = json.loads(run("sandbox", "status", "--output", "json").out)
    assert status["machine_kind"] == "simulated"
    assert run("sandbox", "truth").out.splitlines()[-1].startswith("0 things")

    begun = run("sandbox", "fault", "throttle", "--seconds", "60", "--set", "action=RunInstances")
    assert begun.code == 0
    identity = begun.out.strip()
    (fault,) = json.loads(run("sandbox", "faults", "--output", "json").out)["items"]
    assert (fault["id"], fault["kind"], fault["seconds"]) == (identity, "throttle", 60)
    assert run("sandbox", "end-fault", identity).code == 0
    assert run("sandbox", "end-fault", "f-99").code == 3
    assert run("sandbox", "fault", "nonsense").code == 4
    assert run("sandbox", "fault", "machine-kill", "i-0absent").code in {3, 4}
    assert run("sandbox", "foreign-vm", "--security-group", "sg-0123").code in {3, 4}
    assert run("sandbox", "calls").code == 0
    assert run("sandbox", "gaps").code == 0
    assert run("sandbox", "console", "i-0absent").code == 3

    down = run("sandbox", "down")
    assert down.code == 0
    assert not Path(f"/proc/{ready['pid']}").exists()
    assert run("sandbox", "down").code == 0  # nothing runs: that is what was wanted
    assert run("sandbox", "status").code == 3


def test_a_start_that_fails_says_the_sandboxs_last_words(state: Path) -> None:
    with pytest.raises(Failure, match="--nonsense"):
        process.start(state, ["--nonsense"], 60)


def test_a_ready_file_of_another_program_is_stale_and_nothing_is_stopped(
    run: Terminal, state: Path
) -> None:
    state.mkdir()
    ready = {
        "pid": os.getpid(),
        "aws": "http://127.0.0.1:1",
        "control": "http://127.0.0.1:1",
        "control_token": "t",
        "identity_certificates": "x",
        "callback_address": "198.18.0.2",
        "credentials": {},
        "machines": "simulated",
    }
    (state / process.READY_FILE).write_text(json.dumps(ready))
    assert process.find(state) is None
    assert run("sandbox", "down").code == 0
    (state / process.READY_FILE).write_text("{ half")
    assert run("sandbox", "status").code == 3
