"""Who owns the machine directories of a store, and the removal of what a dead sandbox left.

    <store>/machines/lock                  held for a moment while sandboxes come and go
    <store>/machines/<sandbox>/lock        held as long as the sandbox process lives
    <store>/machines/<sandbox>/<machine>   see disk.py

A sandbox that was killed leaves directories and empty cgroups; its processes, mounts, links and
namespaces went with it. What a living sandbox holds is never touched.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from holdfast_sandbox.machines import cgroups, life

MACHINES = "machines"
LOCK = "lock"


class BusyName(Exception):
    """Another living sandbox of this host uses the name."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A sandbox's right to its directory, until it is released or the process ends."""

    directory: Path
    lock: TextIO

    @property
    def family(self) -> Path:
        """The directory of all sandboxes of this store."""
        return self.directory.parent


@contextlib.contextmanager
def doorway(store: Path) -> Iterator[None]:
    """One sandbox of a store comes or goes at a time: hold this around `claim` and `release`."""
    family = store / MACHINES
    family.mkdir(parents=True, exist_ok=True)
    with (family / LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def claim(store: Path, name: str) -> Claim:
    """Take the directory of the sandbox `name`. Raises BusyName when it is taken."""
    directory = store / MACHINES / name
    directory.mkdir(parents=True, exist_ok=True)
    lock = (directory / LOCK).open("a")
    if not _take(lock):
        lock.close()
        raise BusyName(f"a living sandbox uses {directory}")
    return Claim(directory, lock)


def release(claimed: Claim) -> None:
    """Remove the directory and give the name back."""
    shutil.rmtree(claimed.directory)
    claimed.lock.close()


def living(family: Path) -> bool:
    """Whether any sandbox of this store lives."""
    return any(_is_held(directory) for directory in _sandboxes(family))


def sweep(store: Path) -> list[str]:
    """Remove what dead sandboxes left; returns their names."""
    with doorway(store):
        return sweep_within(store)


def sweep_within(store: Path) -> list[str]:
    """`sweep` for a caller that holds the doorway."""
    swept = []
    for directory in _sandboxes(store / MACHINES):
        with contextlib.suppress(BusyName, FileNotFoundError):
            left = claim(store, directory.name)
            _end_processes(directory)
            unmount_below(directory)
            cgroups.remove_sandbox(cgroups.of_host(directory.name))
            release(left)
            swept.append(directory.name)
    return swept


def _sandboxes(family: Path) -> Iterator[Path]:
    if family.is_dir():
        yield from (path for path in sorted(family.iterdir()) if path.is_dir())


def _is_held(directory: Path) -> bool:
    try:
        with (directory / LOCK).open("a") as lock:
            return not _take(lock)
    except FileNotFoundError:
        return False


def _take(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _end_processes(directory: Path) -> None:
    """End what still runs in a dead sandbox's groups: frozen machines, commands inside."""
    groups = cgroups.of_host(directory.name)
    for machine in (path.name for path in directory.iterdir() if path.is_dir()):
        for pid in groups.processes(machine):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(FileNotFoundError):
            groups.freeze(machine, frozen=False)
        life.until_empty(groups, machine)


def unmount_below(directory: Path) -> None:
    """Take away every mount below a directory, so that its removal ends at its own files."""
    mounts = [line.split(" ")[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(f"{directory}/")), reverse=True):
        subprocess.run(["umount", "-l", mount], check=True, capture_output=True, text=True)
