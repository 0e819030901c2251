"""Network namespaces: held by a child that dies with this process, entered by one thread each."""

import ctypes
import os
import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from holdfast_sandbox.fabric import sockets
from holdfast_sandbox.fabric.errors import FabricError

T = TypeVar("T")

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

# The holder shows its label in `ps`. It ends by its death signal, or when its stdin closes.
_HOLD = "mount -t sysfs sysfs /sys && echo in && read -r forever"


def enter(pid: int) -> None:
    """Move the calling thread into the network namespace of `pid`. Never call it on a shared one.

    Raises FabricError when the process is gone.
    """
    try:
        handle = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise FabricError(f"process {pid} has no network namespace: {error.strerror}") from error
    try:
        if _libc.setns(handle, CLONE_NEWNET) != 0:
            reason = os.strerror(ctypes.get_errno())
            raise FabricError(f"entering the network namespace of process {pid}: {reason}")
    finally:
        os.close(handle)


def inside(pid: int, task: Callable[[], T]) -> T:
    """Run a task in the network namespace of `pid`, on a thread made for it."""

    def entered() -> T:
        enter(pid)
        return task()

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="fabric-visit") as visitor:
        return visitor.submit(entered).result()


class Keeper:
    """Starts the holders of namespaces, all from one thread.

    The death signal of a child fires when the *thread* that forked it ends, so that thread must
    live as long as the fabric does.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fabric-keeper")

    def hold(self, label: str) -> subprocess.Popen[str]:
        """A process in a new network namespace of its own. Raises FabricError if it can't be."""
        return self._thread.submit(self._hold, label).result()

    def close(self) -> None:
        """End the thread, and with it every holder that is left."""
        self._thread.shutdown()

    @staticmethod
    def _hold(label: str) -> subprocess.Popen[str]:
        death = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount"]
        try:
            holder = subprocess.Popen(
                [*death, "sh", "-c", _HOLD, f"holdfast-fabric-{label}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,  # Ctrl-C at the terminal is for the sandbox to handle
            )
        except FileNotFoundError as error:
            raise FabricError("program setpriv (package util-linux) is not installed") from error
        assert holder.stdout is not None
        assert holder.stderr is not None
        if holder.stdout.readline() != "in\n":
            reason = holder.stderr.read().strip()
            holder.wait()
            raise FabricError(f"making the network namespace of {label}: {reason}")
        return holder


class Namespace:
    """One network namespace and the one thread of this process that lives in it."""

    def __init__(self, label: str, keeper: Keeper) -> None:
        self.label = label
        self._holder = keeper.hold(label)
        self.thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"fabric-{label}")
        self.run(lambda: enter(self.pid))
        self.run(self._settle)

    @property
    def pid(self) -> int:
        """The process that holds the namespace: `nsenter -n -t PID` shows it to a person."""
        return self._holder.pid

    def run(self, task: Callable[[], T]) -> T:
        """Run a task inside and wait for it."""
        return self.thread.submit(task).result()

    def listen(self, kind: socket.SocketKind, address: str, port: int) -> socket.socket:
        """A bound, non-blocking socket of the namespace; a socket stays where it was born.

        Raises FabricError when the address can't be bound.
        """
        try:
            return self.run(lambda: sockets.bound(kind, address, port))
        except OSError as error:
            name = f"{address}:{port} in {self.label}"
            raise FabricError(f"listening on {name}: {error.strerror}") from error

    def tcp(self) -> "Future[socket.socket]":
        """A new, non-blocking TCP socket born inside, to connect from."""
        return self.thread.submit(sockets.outgoing)

    def close(self) -> None:
        """End the thread and the holder; the kernel removes the rest with the last socket."""
        self.thread.shutdown()
        self._holder.kill()
        self._holder.communicate()

    @staticmethod
    def _settle() -> None:
        # IPv4 only: IPv6 would be a way around the security groups, which know none.
        settings = {
            "ipv6/conf/all/disable_ipv6": "1",
            "ipv6/conf/default/disable_ipv6": "1",
            "ipv4/ip_forward": "1",
            "ipv4/conf/all/rp_filter": "0",
            "ipv4/conf/default/rp_filter": "0",
            "ipv4/conf/all/send_redirects": "0",
            "ipv4/conf/default/send_redirects": "0",
            "ipv4/ip_default_ttl": "64",
        }
        for name, value in settings.items():
            write_sysctl(name, value)


def write_sysctl(name: str, value: str) -> bool:
    """Set a sysctl under /proc/sys/net of the calling thread's namespace.

    Returns whether the kernel has it.
    """
    path = Path("/proc/sys/net") / name
    if not path.exists():
        return False
    path.write_text(value)
    return True
