"""Starting a machine's first process, tied to the life of the sandbox process.

The kernel's parent-death signal fires when the *thread* that forked ends, so one thread that
lives as long as the runner starts them all; everybody else waits for it.
"""

import queue
import socket
import subprocess
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

INIT = "/lib/systemd/systemd"
UNSHARE = (
    "unshare --fork --pid --mount --uts --ipc --net --cgroup"
    " --kill-child=SIGKILL --propagation private"
)
# $1 is the script of the machine's first process, $2 the number of cgroup files, then these files
# and then the script's arguments. Groups are joined before the cgroup namespace is made.
LAUNCH = f"""
script=$1 count=$2
shift 2
while [ "$count" -gt 0 ]; do
  echo $$ > "$1" || exit 90
  shift
  count=$((count - 1))
done
exec {UNSHARE} sh -c "$script" machine-init "$@"
"""


@dataclass(frozen=True, slots=True)
class Launch:
    """What a machine's first process needs. `joins` are the `cgroup.procs` files to enter."""

    directory: Path
    lower: Sequence[Path]
    hostname: str
    joins: Sequence[Path]
    kinds: str
    console_device: str
    console_fd: int
    init: str = INIT

    def command(self) -> list[str]:
        """The command line; its stdin must be a socket for the handshake."""
        script = files("holdfast_sandbox.machines").joinpath("init.sh").read_text()
        lower = ":".join(str(layer) for layer in self.lower)
        joins = [str(path) for path in self.joins]
        return [
            *("setpriv", "--pdeathsig", "KILL", "sh", "-c", LAUNCH, "machine-launch", script),
            *(str(len(joins)), *joins),
            *(str(self.directory), lower, self.hostname, self.console_device),
            *(self.kinds, self.init),
        ]


@dataclass(frozen=True, slots=True)
class Child:
    """A started machine: `process` is the host's `unshare`, `line` its handshake."""

    process: subprocess.Popen[bytes]
    line: socket.socket


class Spawner:
    """The one thread that forks."""

    def __init__(self) -> None:
        self._orders: queue.Queue[tuple[Launch, Future[Child]] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="machines-spawn", daemon=True)
        self._thread.start()

    def start(self, launch: Launch) -> Child:
        """Start a machine's first process; its end closes when this process ends."""
        answer: Future[Child] = Future()
        self._orders.put((launch, answer))
        return answer.result()

    def close(self) -> None:
        """End the thread, and with it every process that it started."""
        self._orders.put(None)
        self._thread.join()

    def _run(self) -> None:
        while order := self._orders.get():
            launch, answer = order
            try:
                answer.set_result(_spawn(launch))
            except Exception as error:  # noqa: BLE001 the waiting thread gets it
                answer.set_exception(error)


def _spawn(launch: Launch) -> Child:
    ours, theirs = socket.socketpair()
    try:
        process = subprocess.Popen(
            launch.command(),
            stdin=theirs.fileno(),
            stdout=launch.console_fd,
            stderr=launch.console_fd,
            start_new_session=True,
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return Child(process, ours)


def first_process(unshare: int) -> int | None:
    """The machine's process 1 as the host sees it, None while or when there is none."""
    try:
        children = Path(f"/proc/{unshare}/task/{unshare}/children").read_text().split()
    except OSError:
        return None
    return int(children[0]) if children else None
