"""`python -m demo`: the story; `up` keeps a stage running, `down` clears it."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from demo import standing, story
from demo.stage import ROOT, StageError

DIRECTORY = ROOT / "build" / "stage"
REPORT = ROOT / "build" / "demo-report.json"
USAGE = "usage: python -m demo [up | down]"


def main(arguments: Sequence[str]) -> int:
    """Run one command; 0 only if everything that it claims held."""
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        match list(arguments):
            case []:
                return _prepared() or story.tell(ROOT / "build" / "demo", REPORT)
            case ["up"]:
                return _prepared() or standing.up(DIRECTORY)
            case ["down"]:
                return standing.down(DIRECTORY)
            case _:
                print(USAGE, file=sys.stderr)
                return 2
    except StageError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted; everything that it started is gone", file=sys.stderr)
        return 130


def _prepared() -> int:
    """Machine image and Kubernetes 1.37: made once, found at once afterwards."""
    command = [sys.executable, "-m", "holdfast_sandbox", "prepare", "--kubernetes", "1.37.2"]
    return subprocess.run(command, cwd=Path(ROOT), check=False).returncode


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
