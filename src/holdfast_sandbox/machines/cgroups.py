"""Control groups of machines: one group per machine in every hierarchy that the host has.

    /sys/fs/cgroup/<hierarchy>/holdfast/<sandbox>/<machine>       v1 and hybrid hosts
    /sys/fs/cgroup/holdfast/<sandbox>/<machine>                   v2 hosts

The machine sees its group as the root of its own cgroup namespace.
"""

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

FAMILY = "holdfast"
REMOVE_SECONDS = 10.0
V1_CONTROLLERS = (
    "cpu",
    "cpuacct",
    "cpuset",
    "memory",
    "devices",
    "freezer",
    "blkio",
    "pids",
    "name=systemd",
)
V2_CONTROLLERS = "+cpu +memory +pids +cpuset +io"


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """A mounted cgroup tree. `names` are its v1 controllers; empty means the v2 tree."""

    mount: Path
    names: tuple[str, ...]


class Cgroups(Protocol):
    """The groups of one sandbox's machines."""

    @property
    def kinds(self) -> str:
        """What a machine mounts: `v2`, or the v1 hierarchies separated by blanks."""
        ...

    def create(self, machine: str, memory_mib: int) -> Sequence[Path]:
        """Make a machine's groups; returns the `cgroup.procs` files that its launcher joins."""
        ...

    def freeze(self, machine: str, *, frozen: bool) -> None:
        """Stop or continue all processes of a machine."""
        ...

    def processes(self, machine: str) -> set[int]:
        """Host pids of all processes in a machine's groups."""
        ...

    def remove(self, machine: str) -> None:
        """Remove a machine's groups. Accepts groups that are gone already."""
        ...

    def sandbox(self) -> Sequence[Path]:
        """The directory of this sandbox in every hierarchy."""
        ...


def hierarchies(mountinfo: str) -> list[Hierarchy]:
    """The cgroup trees in the text of `/proc/self/mountinfo`, each once.

    v1 trees without a controller that machines use are left out.
    """
    found: dict[tuple[str, ...], Hierarchy] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = [*after.split(" ", 2), "", "", ""][:3]
        names = tuple(n for n in V1_CONTROLLERS if n in options.split(","))
        if kind == "cgroup2":
            names = ()
        elif kind != "cgroup" or not names:
            continue
        found.setdefault(names, Hierarchy(Path(before.split(" ")[4]), names))
    return list(found.values())


def of_host(sandbox: str, mountinfo: str | None = None) -> Cgroups:
    """The cgroups of `sandbox` for the mode that this host runs in."""
    trees = hierarchies(mountinfo or Path("/proc/self/mountinfo").read_text())
    if any(tree.names for tree in trees):
        return HybridCgroups(sandbox, trees)
    if not trees:
        raise FileNotFoundError("no cgroup file system is mounted on this host")
    return UnifiedCgroups(sandbox, trees[0])


class HybridCgroups:
    """cgroup v1 hierarchies, with the v2 tree beside them where it is mounted (for freezing)."""

    def __init__(self, sandbox: str, trees: Sequence[Hierarchy]) -> None:
        self._v1 = [tree for tree in trees if tree.names]
        self._v2 = [tree for tree in trees if not tree.names]
        self._sandbox = sandbox

    @property
    def kinds(self) -> str:
        """The v1 hierarchies, comma-separated controllers, and `unified` when v2 is there."""
        unified = ["unified"] if self._v2 else []
        return " ".join([",".join(tree.names) for tree in self._v1] + unified)

    def create(self, machine: str, memory_mib: int) -> Sequence[Path]:
        """Make a machine's groups, its memory limit and its ban on block devices."""
        joins = []
        for tree in [*self._v1, *self._v2]:
            group = self._group(tree, machine)
            if "cpuset" in tree.names:
                _open_cpuset(group.parents[1], tree.mount)
                _open_cpuset(group.parent, group.parents[1])
            group.mkdir(parents=True, exist_ok=True)
            if "memory" in tree.names:
                _write(group / "memory.limit_in_bytes", str(memory_mib << 20))
            if "devices" in tree.names:
                # Reading and writing only: runc itself must still be able to set `b *:* m`.
                _write(group / "devices.deny", "b *:* rw")
            joins.append(group / "cgroup.procs")
        return joins

    def freeze(self, machine: str, *, frozen: bool) -> None:
        """By the v2 freezer where it is mounted, else by the v1 one."""
        for tree in self._v2:
            _freeze_v2(self._group(tree, machine), frozen=frozen)
            return
        for tree in self._v1:
            if "freezer" in tree.names:
                state = "FROZEN" if frozen else "THAWED"
                _write(self._group(tree, machine) / "freezer.state", state)

    def processes(self, machine: str) -> set[int]:
        """Host pids of all processes in a machine's groups."""
        groups = [self._group(tree, machine) for tree in [*self._v2, *self._v1]]
        return {pid for group in groups for pid in pids(group)}

    def remove(self, machine: str) -> None:
        """Remove a machine's groups, deepest first."""
        for tree in [*self._v1, *self._v2]:
            remove_tree(self._group(tree, machine))

    def sandbox(self) -> Sequence[Path]:
        """The directory of this sandbox in every hierarchy."""
        return [tree.mount / FAMILY / self._sandbox for tree in [*self._v1, *self._v2]]

    def _group(self, tree: Hierarchy, machine: str) -> Path:
        return tree.mount / FAMILY / self._sandbox / machine


class UnifiedCgroups:
    """cgroup v2 alone. Untested: written from the kernel's documentation, no such host was at hand.

    There is no devices controller here, so machines are trusted not to open block devices.
    """

    def __init__(self, sandbox: str, tree: Hierarchy) -> None:
        self._mount = tree.mount
        self._sandbox = sandbox

    @property
    def kinds(self) -> str:
        """`v2`: the machine mounts the one tree."""
        return "v2"

    def create(self, machine: str, memory_mib: int) -> Sequence[Path]:
        """Make a machine's group, with the controllers handed down from the root."""
        group = self._group(machine)
        group.mkdir(parents=True, exist_ok=True)
        for inner in (self._mount, group.parents[1], group.parent):
            _write(inner / "cgroup.subtree_control", V2_CONTROLLERS)
        _write(group / "memory.max", str(memory_mib << 20))
        return [group / "cgroup.procs"]

    def freeze(self, machine: str, *, frozen: bool) -> None:
        """Stop or continue all processes of a machine."""
        _freeze_v2(self._group(machine), frozen=frozen)

    def processes(self, machine: str) -> set[int]:
        """Host pids of all processes in a machine's group."""
        return pids(self._group(machine))

    def remove(self, machine: str) -> None:
        """Remove a machine's group, deepest first."""
        remove_tree(self._group(machine))

    def sandbox(self) -> Sequence[Path]:
        """The directory of this sandbox in the one tree."""
        return [self._mount / FAMILY / self._sandbox]

    def _group(self, machine: str) -> Path:
        return self._mount / FAMILY / self._sandbox / machine


def pids(group: Path) -> set[int]:
    """Host pids in a group and all groups below it."""
    found: set[int] = set()
    for directory in _deepest_first(group):
        with contextlib.suppress(FileNotFoundError, OSError):
            found.update(int(pid) for pid in (directory / "cgroup.procs").read_text().split())
    return found


def remove_tree(group: Path, seconds: float = REMOVE_SECONDS) -> None:
    """Remove a group and all below it. A group stays busy until its last process is reaped.

    Raises OSError when a group is still busy after `seconds`.
    """
    end = time.monotonic() + seconds
    while group.exists():
        try:
            for directory in _deepest_first(group):
                with contextlib.suppress(FileNotFoundError):
                    directory.rmdir()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


def remove_sandbox(groups: Cgroups) -> None:
    """Remove a sandbox's groups, and the family's unless another sandbox has groups there."""
    for directory in groups.sandbox():
        remove_tree(directory)
        with contextlib.suppress(OSError):
            directory.parent.rmdir()


def _deepest_first(group: Path) -> Iterator[Path]:
    for directory, _, _ in os.walk(group, topdown=False):
        yield Path(directory)


def _open_cpuset(group: Path, parent: Path) -> None:
    """A cpuset group refuses processes until it has CPUs and memory nodes of its own."""
    group.mkdir(exist_ok=True)
    for name in ("cpuset.cpus", "cpuset.mems"):
        if not (group / name).read_text().strip():
            _write(group / name, (parent / name).read_text().strip())
    _write(group / "cgroup.clone_children", "1")


def _freeze_v2(group: Path, *, frozen: bool) -> None:
    _write(group / "cgroup.freeze", "1" if frozen else "0")
    end = time.monotonic() + REMOVE_SECONDS
    while f"frozen {int(frozen)}" not in (group / "cgroup.events").read_text():
        if time.monotonic() > end:
            raise TimeoutError(f"{group} did not become {'frozen' if frozen else 'thawed'}")
        time.sleep(0.001)


def _write(path: Path, text: str) -> None:
    path.write_text(text)
