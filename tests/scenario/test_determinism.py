"""One seed, one transcript: in this process, in others, whatever the seed of Python's hashes."""

import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.simulation.agent import Heartbeats
from holdfast.simulation.run import play
from holdfast.simulation.world import Settings

ROOT = Path(__file__).parents[2]
PROGRAM = """
import hashlib, sys
from holdfast.simulation.agent import Heartbeats
from holdfast.simulation.run import play
from holdfast.simulation.world import Settings
for name in sys.argv[1:]:
    outcome = play(name, Settings(seed=5, heartbeats=Heartbeats.LIGHT), restarts=False)
    print(name, hashlib.sha256(outcome.commits.encode()).hexdigest())
"""


def _played(hash_seed: str, *names: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *names],
        env={"PYTHONHASHSEED": hash_seed, "PATH": "/usr/bin:/bin"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_two_runs_in_one_process() -> None:
    settings = Settings(seed=11)
    first = play("create", settings, restarts=False)
    second = play("create", settings, restarts=False)
    assert first.commits == second.commits
    assert first.effects == second.effects


def test_another_seed_is_another_run() -> None:
    light = Heartbeats.LIGHT
    first = play("create", Settings(seed=1, heartbeats=light), restarts=False)
    second = play("create", Settings(seed=2, heartbeats=light), restarts=False)
    assert first.transcript != second.transcript


@pytest.mark.timeout(240)
def test_processes_with_different_hashes() -> None:
    names = ("spot-storm", "outage", "neighbours")
    assert _played("0", *names) == _played("4242", *names)
