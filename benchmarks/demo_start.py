"""A second `make demo` until its story starts: what set-up and preparation cost when all is there.

The first one prepares the machine image; how long that took is in the preparation's own record.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from demo.stage import ROOT

from benchmarks import figure
from benchmarks.figure import Figure
from holdfast_sandbox.machines import image
from holdfast_sandbox.machines.prepare.preparation import COLD_RECORD

GOAL = 10.0
LIMIT = 120.0
FIRST_LINE = "Starting the sandbox cloud"


def measure() -> Sequence[Figure]:
    """The demo is ended as soon as its first chapter begins."""
    print(_cold())
    began = time.monotonic()
    process = subprocess.Popen(
        ["make", "--no-print-directory", "demo"],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        seconds = _until_story(process, began)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=60)
    return [Figure("second make demo until the story starts", "s", GOAL, round(seconds, 1))]


def _until_story(process: subprocess.Popen[str], began: float) -> float:
    said = []
    for line in process.stdout or ():
        said.append(line)
        if FIRST_LINE in line:
            return time.monotonic() - began
        if time.monotonic() - began > LIMIT:
            break
    raise TimeoutError(f"the story did not start: {''.join(said[-10:])}")


def _cold() -> str:
    record = image.default_store() / COLD_RECORD
    if not record.exists():
        return f"cold preparation: no record in {record}"
    return f"cold preparation: {json.loads(record.read_text())['seconds']:g} s ({record})"


if __name__ == "__main__":
    sys.exit(figure.run("demo_start", measure))
