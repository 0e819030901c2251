"""The life of one machine: started, ended, started again. Not thread-safe; the runner locks."""

import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from holdfast_sandbox.machines import disk
from holdfast_sandbox.machines.cgroups import Cgroups
from holdfast_sandbox.machines.spawn import Child, Launch, Spawner, first_process
from holdfast_sandbox.machines.watch import Console, Watch
from holdfast_sandbox.ports import BootFailed, MachineSpec, MachineState, Nic

HANDSHAKE_SECONDS = 30.0
END_SECONDS = 10.0
POLL_SECONDS = 0.005
COMM_LENGTH = 15  # the kernel cuts a process's name here


class Links(Protocol):
    """The part of the fabric that a machine needs."""

    def plug(self, machine: str, nic: Nic, pid: int) -> None:
        """Give the network namespace of `pid` its eth0."""
        ...

    def unplug(self, machine: str) -> None:
        """Remove a machine's link."""
        ...


@dataclass(frozen=True, slots=True)
class Ground:
    """What all machines of a sandbox stand on."""

    lower: Sequence[Path]
    init: str
    cgroups: Cgroups
    links: Links
    spawner: Spawner
    watch: Watch


class Machine:
    """One machine and its processes. `on_end` is called, in the watch's thread, at each end."""

    def __init__(
        self,
        spec: MachineSpec,
        directory: Path,
        ground: Ground,
        on_end: Callable[["Machine", Child], None],
    ) -> None:
        self.spec = spec
        self.directory = directory
        self.console = Console()
        self.state = MachineState.BOOTING
        self.reason = ""
        self.child: Child | None = None
        self.joins: Sequence[Path] = ()
        self._ground = ground
        self._on_end = on_end
        self._boots = 0
        ground.watch.console(self.console)

    @property
    def pid(self) -> int | None:
        """Process 1 as the host sees it."""
        return first_process(self.child.process.pid) if self.child else None

    def start(self) -> None:
        """Boot; returns when the machine's init runs. Raises BootFailed, with nothing running."""
        ground, spec = self._ground, self.spec
        self._boots += 1
        self.state, self.reason = MachineState.BOOTING, ""
        disk.stamp_boot(self.directory, spec.id, self._boots)
        try:
            self.console.open_again()
            self.joins = ground.cgroups.create(spec.id, spec.memory_mib)
            child = ground.spawner.start(self._launch())
            self.child = child
            ground.watch.process(child.process.pid, lambda: self._on_end(self, child))
            self._shake_hands(child)
        except Exception as error:  # whatever failed, nothing may stay half-booted
            self.console.write(f"boot failed: {error}")
            self.end("boot failed")
            tail = self.console.text()[-2000:].strip()
            raise BootFailed(f"machine {spec.id} did not boot: {error}\n{tail}") from error
        self.state = MachineState.RUNNING

    def end(self, reason: str) -> None:
        """End all processes at once, remove link and cgroups, keep the disk and the console."""
        child, self.child = self.child, None
        frozen = self.state is MachineState.FROZEN
        self.state, self.reason = MachineState.GONE, reason
        try:
            if child is not None:
                child.process.kill()
                if frozen:
                    self._ground.cgroups.freeze(self.spec.id, frozen=False)
                child.process.wait(END_SECONDS)
                child.line.close()
        finally:
            self._leave()

    def freeze(self, *, frozen: bool) -> None:
        """Stop or continue all processes. Does nothing to a machine that is gone."""
        if self.state in (MachineState.RUNNING, MachineState.FROZEN):
            self._ground.cgroups.freeze(self.spec.id, frozen=frozen)
            self.state = MachineState.FROZEN if frozen else MachineState.RUNNING

    def close(self) -> None:
        """Close the console. The machine must have ended."""
        self._ground.watch.forget(self.console)

    def _launch(self) -> Launch:
        return Launch(
            directory=self.directory,
            lower=self._ground.lower,
            hostname=self.spec.hostname,
            joins=self.joins,
            kinds=self._ground.cgroups.kinds,
            console_device=self.console.device,
            console_fd=self.console.machine_fd,
            init=self._ground.init,
        )

    def _shake_hands(self, child: Child) -> None:
        child.line.settimeout(HANDSHAKE_SECONDS)
        if _word(child.line) != b"ready\n":
            raise BootFailed("it ended while it prepared its file systems")
        pid = first_process(child.process.pid)
        if pid is None:
            raise BootFailed("its first process is gone")
        self._ground.links.plug(self.spec.id, self.spec.nic, pid)
        child.line.sendall(b"go\n")
        _until_replaced(pid, Path(self._ground.init).name[:COMM_LENGTH])

    def _leave(self) -> None:
        """The kernel takes the rest of a pid namespace down after its first process was reaped."""
        try:
            self._ground.links.unplug(self.spec.id)
        finally:
            until_empty(self._ground.cgroups, self.spec.id)
            self._ground.cgroups.remove(self.spec.id)


def until_empty(cgroups: Cgroups, machine: str) -> None:
    """Wait until no process is left in a machine's groups. Raises TimeoutError after 10 s."""
    end = time.monotonic() + END_SECONDS
    while left := cgroups.processes(machine):
        if time.monotonic() > end:
            raise TimeoutError(f"machine {machine} still has processes {sorted(left)}")
        time.sleep(POLL_SECONDS)


def why(code: int) -> str:
    """An end in words. `code` is the one of `unshare`, which dies as its child died.

    A guest that powers off ends by SIGINT, one that restarts by SIGHUP (reboot(2), pid
    namespaces).
    """
    if code == -signal.SIGINT:
        return "guest powered off"
    if code == -signal.SIGHUP:
        return "guest restarted"
    # Up to util-linux 2.38 unshare cannot end itself by SIGKILL as its child did, and fails.
    if code in (-signal.SIGKILL, 1):
        return "init was killed"
    if code < 0:
        return f"init was ended by {signal.Signals(-code).name}"
    return f"init ended with code {code}"


def _word(line: socket.socket) -> bytes:
    try:
        return line.recv(16)
    except TimeoutError as error:
        raise BootFailed(f"no sign of life for {HANDSHAKE_SECONDS:g} s") from error
    except ConnectionError:
        return b""


def _until_replaced(pid: int, init: str) -> None:
    end = time.monotonic() + HANDSHAKE_SECONDS
    while True:
        try:
            name = Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError as error:
            raise BootFailed("it ended before its init took over") from error
        if name == init:
            return
        if time.monotonic() > end:
            raise BootFailed("its init did not take over")
        time.sleep(POLL_SECONDS)
