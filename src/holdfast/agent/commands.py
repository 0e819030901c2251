"""Runs programmes: always with a time limit, never with a terminal or our standard input."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

TAIL = 4096  # characters of output that an error shows
KILL_SECONDS = 2.0  # until a killed programme's output is given up


@dataclass(frozen=True)
class Done:
    """How a programme ended. `output` is stdout and stderr together."""

    code: int
    output: str

    @property
    def ok(self) -> bool:
        """True for exit code 0."""
        return self.code == 0


class CommandFailed(Exception):
    """A programme that was needed failed; `output` is the tail of what it wrote."""

    def __init__(self, arguments: Sequence[str], done: Done) -> None:
        super().__init__(f"{' '.join(arguments[:4])}: exit code {done.code}")
        self.output = done.output[-TAIL:]


def run(
    arguments: Sequence[str],
    seconds: float,
    environment: Mapping[str, str] | None = None,
    text: str | None = None,
) -> Done:
    """Run a programme and wait, at most so long; then it and its children are killed (code 124).

    text  its standard input, empty without
    """
    try:
        process = subprocess.Popen(
            list(arguments),
            stdin=subprocess.DEVNULL if text is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
            text=True,
            errors="replace",
        )
    except OSError as error:
        return Done(127, f"{arguments[0]}: {error.strerror}")
    try:
        output, _ = process.communicate(text, timeout=seconds)
    except subprocess.TimeoutExpired:
        return Done(124, f"{arguments[0]}: not done after {seconds:.0f} s\n{_killed(process)}")
    return Done(process.returncode, output)


def _killed(process: "subprocess.Popen[str]") -> str:
    """End a programme and its children; what it had written."""
    os.killpg(process.pid, signal.SIGKILL)
    try:
        output, _ = process.communicate(timeout=KILL_SECONDS)
    except subprocess.TimeoutExpired:  # a daemon of its own session holds our pipe
        if process.stdout is not None:
            process.stdout.close()
        process.wait()
        return ""
    return output


def need(
    arguments: Sequence[str], seconds: float, environment: Mapping[str, str] | None = None
) -> str:
    """As `run`; raises CommandFailed when it failed."""
    done = run(arguments, seconds, environment)
    if not done.ok:
        raise CommandFailed(arguments, done)
    return done.output
