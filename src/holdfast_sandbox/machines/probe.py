"""Can machines boot on this host? Each row answers yes or one sentence.

Tries are made in namespaces of their own, so the host stays as it is.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from holdfast_sandbox.machines import cgroups, image, inotify
from holdfast_sandbox.machines.prepare import place
from holdfast_sandbox.machines.prepare.errors import PrepareError

SYS_ADMIN, NET_ADMIN, SYS_RESOURCE = 21, 12, 24
TRY_SECONDS = 15.0
IMAGE = "image"
CONTROLLERS = ("cpu", "memory", "pids")
V1_CONTROLLERS = (*CONTROLLERS, "devices")
PROGRAMS = {
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "ip": "iproute2",
    "bridge": "iproute2",
    "nft": "nftables",
    "cp": "coreutils",
}
LINKS = {
    "veth": "ip link add try0 type veth peer name try1",
    "bridge": "ip link add try0 type bridge",
    "tun": "ip tuntap add dev try0 mode tun",
    "vxlan": "ip link add try0 type vxlan id 1 dstport 4789 dev lo",
    "nft": "nft add table inet probe",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One question. `sentence` is empty for a yes. Machines boot without the optional ones."""

    name: str
    sentence: str
    optional: bool = False

    @property
    def ok(self) -> bool:
        """Whether the answer is yes."""
        return not self.sentence


def probe(store: Path) -> Sequence[Row]:
    """Every row of the table; stops after the first if this is not root on Linux."""
    first = Row("root", _root())
    if not first.ok:
        return (first,)
    rows = [
        first,
        Row("programs", _programs()),
        Row("namespaces", _namespaces()),
        Row("overlay", _overlay(store)),
        Row("cgroups", _cgroups()),
        Row("inotify", _inotify(), optional=True),
        Row("oom score", _oom_score(), optional=True),
    ]
    rows += [Row(name, _in_netns(name, command)) for name, command in LINKS.items()]
    rows += [
        Row("wireguard", _in_netns("wireguard", "ip link add try0 type wireguard"), optional=True),
        Row("netem", _in_netns("netem", "tc qdisc add dev lo root netem delay 1ms"), optional=True),
        Row(IMAGE, _image(store)),
    ]
    return rows


def obstacles(store: Path | None = None) -> list[str]:
    """Why this host can't boot machines, a sentence each; an image that is not made is no reason.

    `store` is the default one if it is not given.
    """
    rows = probe(store or image.default_store())
    return [row.sentence for row in rows if not row.ok and not row.optional and row.name != IMAGE]


def missing(store: Path) -> str:
    """Why machines can't boot here and now, in one line; empty if they can."""
    bad = [row.sentence for row in probe(store) if not row.ok and not row.optional]
    return f"booted machines: skipped ({'; '.join(bad)})" if bad else ""


def capabilities(status: str, name: str = "CapEff") -> int:
    """A capability set in the text of `/proc/<pid>/status`, as bits; 0 if it is not there."""
    for line in status.splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1], 16)
    return 0


def enabled_controllers(proc_cgroups: str) -> set[str]:
    """The controllers that the text of `/proc/cgroups` shows as enabled."""
    rows = [line.split() for line in proc_cgroups.splitlines() if not line.startswith("#")]
    return {row[0] for row in rows if len(row) == 4 and row[3] == "1"}


def _root() -> str:
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "needs Linux and root"
    held = capabilities(Path("/proc/self/status").read_text())
    if not held >> SYS_ADMIN & 1 or not held >> NET_ADMIN & 1:
        return "needs the capabilities SYS_ADMIN and NET_ADMIN"
    return ""


def _programs() -> str:
    lacking = sorted({package for name, package in PROGRAMS.items() if not shutil.which(name)})
    return f"needs the packages {' '.join(lacking)}" if lacking else ""


def _namespaces() -> str:
    kinds = ("mount", "pid", "net", "uts", "ipc", "cgroup")
    if not _fails(["unshare", *(f"--{kind}" for kind in kinds), "--fork", "true"]):
        return ""
    bad = [kind for kind in kinds if _fails(["unshare", f"--{kind}", "--fork", "true"])]
    return f"cannot make {', '.join(bad) or 'all'} namespaces"


def _overlay(store: Path) -> str:
    try:
        place.check(store)
        store.mkdir(parents=True, exist_ok=True)
    except (PrepareError, OSError) as error:
        return str(error)
    with tempfile.TemporaryDirectory(dir=store, prefix="probe-") as trial:
        script = (
            f"cd {trial} && mkdir lower upper work root &&"
            " mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work root"
        )
        reason = _fails(["unshare", "--mount", "sh", "-c", script])
    return f"overlay file systems cannot be mounted in {store}: {reason}" if reason else ""


def _cgroups() -> str:
    try:
        kinds = cgroups.of_host("probe").kinds
    except FileNotFoundError as error:
        return str(error)
    needed = CONTROLLERS if kinds == "v2" else V1_CONTROLLERS
    lacking = set(needed) - enabled_controllers(Path("/proc/cgroups").read_text())
    return f"cgroup controllers are missing: {', '.join(sorted(lacking))}" if lacking else ""


def _inotify() -> str:
    now = int(inotify.LIMIT.read_text())
    if now >= inotify.WANTED or os.access(inotify.LIMIT, os.W_OK):
        return ""
    return inotify.too_low(now)


def _oom_score() -> str:
    bounding = capabilities(Path("/proc/self/status").read_text(), "CapBnd")
    return "" if bounding >> SYS_RESOURCE & 1 else "OOM scores cannot be lowered on this host"


def _in_netns(name: str, command: str) -> str:
    reason = _fails(["unshare", "--net", "sh", "-c", command])
    return f"the kernel offers no {name}: {reason}" if reason else ""


def _image(store: Path) -> str:
    try:
        image.load(store)
    except image.NotPrepared as error:
        return str(error)
    return ""


def _fails(argv: Sequence[str]) -> str:
    """The last line of a programme that fails, empty if it succeeds."""
    try:
        done = subprocess.run(
            argv, check=False, capture_output=True, text=True, timeout=TRY_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    return (done.stderr.strip().splitlines() or [f"code {done.returncode}"])[-1]
