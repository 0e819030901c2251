"""The stage: a sandbox and a platform as processes of ours, on loopback, ended when we end."""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.control import Control
from holdfast.client.sync import Client

ROOT = Path(__file__).parent.parent
PLATFORM_IN_SANDBOX = "https://198.18.0.2:443"
START_LIMIT = 60.0  # seconds
STOP_LIMIT = 30.0
WINDOW = "3"  # seconds; the sandbox's listings do not lag, so a short window is enough
PR_SET_PDEATHSIG = 1


class StageError(Exception):
    """A process did not start; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox, by its ready file."""

    ready: Mapping[str, Any]
    control: Control


@dataclass(frozen=True, slots=True)
class Platform:
    """A running platform."""

    url: str
    ca_file: Path
    token: str
    pid: int

    def client(self) -> Client:
        """A client with the first token."""
        return Client(self.url, self.token, self.ca_file)


class Stage:
    """Starts and ends both processes. With `dies_with_us` they end also when we are killed."""

    def __init__(self, directory: Path, *, dies_with_us: bool = True) -> None:
        self.directory = directory.resolve()
        self._dies_with_us = dies_with_us
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def sandbox(self, *options: str) -> Sandbox:
        """Start the sandbox, or take up its state. Raises StageError."""
        state = self.directory / "sandbox"
        ready_file = state / "sandbox.json"
        command = [sys.executable, "-m", "holdfast_sandbox", "serve", "--state", str(state)]
        ready = self._start("sandbox", [*command, *options], ready_file, {})
        return Sandbox(ready, Control(ready["control"], ready["control_token"]))

    def platform(self, sandbox: Sandbox, **settings: str) -> Platform:
        """Start the platform against the sandbox and make it reachable from the machines."""
        data = self.directory / "platform"
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        ready_file = data / "ready.json"
        command = [sys.executable, "-m", "holdfast", "serve", "--listen-port"]
        command += [str(self._port_before(ready_file)), "--ready-file", str(ready_file)]
        environment = {
            "HOLDFAST_DATA_DIR": str(data),
            "HOLDFAST_AWS_ENDPOINT": sandbox.ready["aws"],
            "HOLDFAST_AWS_IDENTITY_CERTIFICATES": sandbox.ready["identity_certificates"],
            "HOLDFAST_AWS_CONSISTENCY_WINDOW": WINDOW,
            "HOLDFAST_EGRESS_PROXY": sandbox.ready["proxy"] or "",
            "HOLDFAST_PUBLIC_URL": PLATFORM_IN_SANDBOX,
            **settings,
        }
        ready_file.unlink(missing_ok=True)
        ready = self._start("platform", command, ready_file, environment)
        target = ready["url"].removeprefix("https://")
        if sandbox.ready["machines"] == "booted":
            sandbox.control.post("/callbacks", {"port": 443, "target": target})
        token = Path(ready["token_file"]).read_text().strip()
        return Platform(ready["url"], Path(ready["ca_file"]), token, ready["pid"])

    def kill(self, name: str) -> None:
        """End a process as a crash does."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def stop(self, name: str) -> None:
        """End a process as an operator does; one that does not end in time is killed."""
        process = self._running.pop(name, None)
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def close(self) -> None:
        """End everything, the platform first."""
        for name in ("platform", "sandbox"):
            self.stop(name)

    def log(self, name: str) -> Path:
        """Where a process's log lies."""
        return self.directory / f"{name}.log"

    def _port_before(self, ready_file: Path) -> int:
        """The port of an earlier start: machines and people know it."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            return int(json.loads(ready_file.read_text())["url"].rpartition(":")[2])
        return 0

    def _start(
        self, name: str, command: list[str], ready_file: Path, environment: Mapping[str, str]
    ) -> dict[str, Any]:
        self.directory.mkdir(parents=True, exist_ok=True)
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with(os.getpid()) if self._dies_with_us else None,  # noqa: PLW1509
            )
        self._running[name] = process
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            ready = _ready(ready_file, process.pid)
            if ready is not None:
                return ready
            time.sleep(0.05)
        self.stop(name)
        tail = "\n".join(self.log(name).read_text(errors="replace").splitlines()[-12:])
        raise StageError(f"{name} did not start; the end of {self.log(name)}:\n{tail}")


def _ready(ready_file: Path, pid: int) -> dict[str, Any] | None:
    """The ready file, if the process of that id wrote it."""
    with contextlib.suppress(OSError, ValueError):
        ready: dict[str, Any] = json.loads(ready_file.read_text())
        if ready.get("pid") == pid:
            return ready
    return None


def _die_with(parent: int) -> Callable[[], None]:
    """For the child: be killed when the parent is gone, also when it was killed itself."""
    libc = ctypes.CDLL(None)

    def bind() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return bind


def ready_files(directory: Path) -> Iterator[tuple[str, int]]:
    """Name and process id of what runs in a directory, by its ready files."""
    for name, file in (("platform", "ready.json"), ("sandbox", "sandbox.json")):
        with contextlib.suppress(OSError, ValueError, KeyError):
            pid = int(json.loads((directory / name / file).read_text())["pid"])
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if b"holdfast" in command:
                yield name, pid


@contextlib.contextmanager
def staged(directory: Path) -> Iterator[Stage]:
    """A stage that is cleared at the end, whatever happens on it."""
    stage = Stage(directory)
    try:
        yield stage
    finally:
        stage.close()
