"""Starts the sandbox as a process of its own, finds it again by its ready file, and stops it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from holdfast.cli.exits import Failure, Late, Missing
from holdfast.cli.output import note

READY_FILE = "sandbox.json"
LOG_FILE = "sandbox.log"
GLANCE = 0.1  # seconds between two looks
TELL_EVERY = 2.0
TAIL = 12  # lines of the log that explain a failed start


DEFAULT_STATE = Path("~/.local/state/holdfast/sandbox").expanduser()
State = Annotated[
    Path,
    Parameter(
        env_var="HOLDFAST_SANDBOX_STATE",
        help="Directory of the sandbox; one runs on each.",
        show_default=True,
    ),
]


@dataclass(frozen=True, slots=True)
class Ready:
    """How to reach a running sandbox.

    aws, control, proxy    URLs on loopback; there is no proxy with simulated machines
    identity_certificates  PEM file of what signs its instance identity documents
    callback_address       the public sandbox address at which machines can reach the host
    credentials            accessKeyId, secretAccessKey and accountId of its first account
    """

    pid: int
    aws: str
    control: str
    control_token: str
    identity_certificates: str
    callback_address: str
    credentials: dict[str, str]
    machines: str
    proxy: str | None = None


def find(state: Path) -> Ready | None:
    """The sandbox that runs on a state directory; a ready file without its process is stale."""
    try:
        found: dict[str, Any] = json.loads((state / READY_FILE).read_text())
        known = {field.name for field in fields(Ready)}
        ready = Ready(**{key: value for key, value in found.items() if key in known})
    except (OSError, ValueError, TypeError):
        return None
    return ready if _is_sandbox(ready.pid) else None


def running(state: Path) -> Ready:
    """The sandbox that runs on a state directory. Raises Missing."""
    ready = find(state)
    if ready is None:
        message = f"no sandbox runs on {state}; start one: holdfast sandbox up"
        raise Missing(message)
    return ready


def start(state: Path, options: list[str], limit: float) -> Ready:
    """Start a detached sandbox and wait until it is ready. Raises Failure with its last words."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = state / LOG_FILE
    command = [sys.executable, "-m", "holdfast_sandbox", "serve", "--state", str(state), *options]
    with log.open("ab") as output:
        begin = output.tell()
        process = subprocess.Popen(  # noqa: S603  (our own program)
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        return _awaited(process, state, log, begin, limit)
    except BaseException:
        if process.poll() is None:
            process.terminate()
        raise


def _awaited(
    process: "subprocess.Popen[bytes]", state: Path, log: Path, begin: int, limit: float
) -> Ready:
    began = told = time.monotonic()
    while True:
        ready = find(state)
        if ready is not None and ready.pid == process.pid:
            process.returncode = 0  # it outlives us on purpose: Popen need not warn of that
            return ready
        if process.poll() is not None:
            message = f"the sandbox ended with code {process.returncode}:\n{_tail(log, begin)}"
            raise Failure(message)
        now = time.monotonic()
        if now - began > limit:
            message = f"the sandbox is not ready after {limit:g} s; its log: {log}"
            raise Late(message)
        if now - told > TELL_EVERY:
            note(f"starting: {now - began:.0f} s")
            told = now
        time.sleep(GLANCE)


def stop(ready: Ready, limit: float) -> None:
    """Ask the sandbox to end, and wait until it has. Raises Late when it has not."""
    os.kill(ready.pid, signal.SIGTERM)
    end = time.monotonic() + limit
    while not _has_ended(ready.pid):
        if time.monotonic() > end:
            message = f"the sandbox (process {ready.pid}) still runs {limit:g} s after SIGTERM"
            raise Late(message)
        time.sleep(GLANCE)


def _is_sandbox(pid: int) -> bool:
    """A process id may have passed to another program, which is never to be stopped."""
    try:
        return b"holdfast_sandbox" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _has_ended(pid: int) -> bool:
    """It is gone, or a zombie; our own zombie, of a start in this very process, is reaped."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    if state == "Z":
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
    return state == "Z"


def _tail(log: Path, begin: int) -> str:
    with log.open("rb") as file:
        file.seek(begin)
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-TAIL:]) or f"(it said nothing; {log})"
