"""The command line of the sandbox."""

import subprocess
import sys
from pathlib import Path

import pytest

from holdfast_sandbox.machines import probe


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "holdfast_sandbox", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_help_names_all_commands() -> None:
    ran = run("--help")
    assert ran.returncode == 0
    assert all(name in ran.stdout for name in ("prepare", "serve", "probe", "sweep"))


@pytest.mark.parametrize("command", ["prepare", "serve", "probe", "sweep"])
def test_each_command_explains_itself(command: str) -> None:
    assert run(command, "--help").returncode == 0


def test_sweep_says_when_nothing_was_left(tmp_path: Path) -> None:
    ran = run("sweep", "--store", str(tmp_path))
    assert (ran.returncode, ran.stdout) == (0, "nothing was left behind\n")


def test_sweep_names_what_a_dead_sandbox_left(tmp_path: Path) -> None:
    if why_not := [row.sentence for row in probe.probe(tmp_path)[:1] if not row.ok]:
        pytest.skip(why_not[0])
    (tmp_path / "machines" / "s-dead" / "i-1").mkdir(parents=True)
    ran = run("sweep", "--store", str(tmp_path))
    assert (ran.returncode, ran.stdout) == (0, "swept: s-dead\n")
    assert not (tmp_path / "machines" / "s-dead").exists()


def test_probe_answers_every_need_and_its_code_says_whether_machines_can_boot(
    tmp_path: Path,
) -> None:
    ran = run("probe", "--store", str(tmp_path))
    assert ran.returncode == 1  # this store has no image
    lines = ran.stdout.splitlines()
    assert all(line.startswith(("yes  ", "no   ", "-    ")) for line in lines)
    assert [line for line in lines if line.startswith("no ")]


def test_serve_needs_a_state_directory_and_known_words() -> None:
    assert run("serve").returncode != 0
    ran = run("serve", "--state", "/nowhere", "--machines", "imagined")
    assert ran.returncode != 0
    assert "simulated" in ran.stdout + ran.stderr
