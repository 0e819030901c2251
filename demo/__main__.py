"""`python -m demo`: the story; `up` keeps a stage running, `down` clears it."""

import argparse
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from demo import standing, story
from demo.stage import ROOT, StageError

BUILD = ROOT / "build"


def main(arguments: Sequence[str]) -> int:
    """Run one command; 0 only if everything that it claims held."""
    asked = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        match asked.command:
            case "up":
                return _prepared() or standing.up(asked.directory or BUILD / "stage")
            case "down":
                return standing.down(asked.directory or BUILD / "stage")
            case _:
                return _prepared() or story.tell(
                    asked.directory or BUILD / "demo", asked.report or BUILD / "demo-report.json"
                )
    except StageError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted; everything that it started is gone", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["story", "up", "down"], default="story")
    parser.add_argument("--directory", type=Path, help="where state and logs lie (below build/)")
    parser.add_argument("--report", type=Path, help="the story's report (build/demo-report.json)")
    return parser


def _prepared() -> int:
    """Machine image and Kubernetes 1.37: made once, found at once afterwards."""
    command = [sys.executable, "-m", "holdfast_sandbox", "prepare", "--kubernetes", "1.37.2"]
    return subprocess.run(command, cwd=Path(ROOT), check=False).returncode


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
