"""Running the programmes that make parts: line by line, never left behind."""

import contextlib
import os
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from holdfast_sandbox.machines.prepare.errors import CommandFailed

KEPT_LINES = 15
GRACE_SECONDS = 10.0


def run(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> str:
    """Run to the end; returns its output. `on_line` gets every line of both outputs.

    `env` is added to this process's environment. The programme is ended when this process ends
    or is interrupted. Raises CommandFailed with the last lines if it fails or does not exist.
    """
    try:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *argv],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise CommandFailed(f"{error.filename} is missing") from error
    try:
        output = _read(process, on_line)
        code = process.wait()
    finally:
        _end(process)
        if process.stdout:
            process.stdout.close()
    if code:
        last = "\n".join(deque(output, KEPT_LINES))
        raise CommandFailed(f"{' '.join(argv)[:200]} ended with {code}:\n{last}")
    return "\n".join(output)


def _read(process: subprocess.Popen[str], on_line: Callable[[str], None] | None) -> list[str]:
    output = []
    for line in process.stdout or ():
        output.append(line.rstrip("\n"))
        if on_line:
            on_line(output[-1])
    return output


def _end(process: subprocess.Popen[str]) -> None:
    """End what is left of it, first kindly: mmdebstrap takes its mounts back then."""
    if process.poll() is not None:
        return
    for how in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
            return
