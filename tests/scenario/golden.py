"""Writes the golden transcripts, or tells which differ: `-m tests.scenario.golden [check]`."""

import sys
from pathlib import Path

from holdfast.simulation.agent import Heartbeats
from holdfast.simulation.run import play
from holdfast.simulation.world import Settings

FOLDER = Path(__file__).with_name("golden")
NAMES = ("create", "heal-worker", "delete")


def transcript(name: str) -> str:
    """What a scenario does with seed 1, as people read it: without the store's own commits."""
    settings = Settings(seed=1, heartbeats=Heartbeats.LIGHT)
    return play(name, settings, restarts=False).transcript


def path(name: str) -> Path:
    """Where the golden transcript of a scenario lies."""
    return FOLDER / f"{name}.txt"


def main() -> int:
    """Write them all; with `check` only compare."""
    only_check = sys.argv[1:] == ["check"]
    FOLDER.mkdir(exist_ok=True)
    different = []
    for name in NAMES:
        text = transcript(name)
        if not path(name).exists() or path(name).read_text() != text:
            different.append(name)
            if not only_check:
                path(name).write_text(text)
    print("golden:", ", ".join(different) or "nothing", "differs" if only_check else "written")
    return 1 if only_check and different else 0


if __name__ == "__main__":
    sys.exit(main())
