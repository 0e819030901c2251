"""What this host offers to booted machines: each need answers yes, or one sentence why not."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ADMIN_BITS = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}
PROGRAMS = ("unshare", "nsenter", "setpriv", "ip", "nft", "mount", "umount")
CONTROLLERS = frozenset({"cpu", "memory", "pids", "devices"})
NAMESPACES = (
    *("unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--fork", "true"),
)
LINKS = """
ip link add v0 type veth peer name v1
ip link add b0 type bridge
ip tuntap add t0 mode tun
ip link add x0 type vxlan id 1 dstport 4789
nft add table ip t
"""
TRIAL_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One need. `lack` is empty when it is met; a `needed` one that lacks forbids booting."""

    need: str
    lack: str
    needed: bool = True


def probe(store: Path) -> list[Finding]:
    """All needs of booted machines, with the store that their disks would lie in."""
    checks: list[tuple[str, Callable[[], str], bool]] = [
        ("Linux and root", _root, True),
        ("programs", _programs, True),
        ("namespaces", _namespaces, True),
        ("cgroups", _cgroups, True),
        ("links, bridge, tun, vxlan, nft", _links, True),
        ("overlay in the store", lambda: _overlay(store), True),
        ("WireGuard in the kernel", _wireguard, False),
    ]
    found: list[Finding] = []
    for need, check, needed in checks:
        if found and found[0].lack:
            return found  # without Linux and root nothing else can be tried
        found.append(Finding(need, check(), needed))
    return found


def reason(found: list[Finding]) -> str:
    """The first need that forbids booted machines, as a sentence; empty when all are met."""
    return next((f"{one.need}: {one.lack}" for one in found if one.needed and one.lack), "")


def _root() -> str:
    if sys.platform != "linux":
        return "needs Linux and root"
    if os.geteuid() != 0:
        return "needs Linux and root"
    status = Path("/proc/self/status").read_text().splitlines()
    effective = next(int(line.split()[1], 16) for line in status if line.startswith("CapEff"))
    lacking = [name for name, bit in ADMIN_BITS.items() if not effective >> bit & 1]
    return f"the process lacks {', '.join(lacking)}" if lacking else ""


def _programs() -> str:
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"not installed: {', '.join(lacking)}" if lacking else ""


def _namespaces() -> str:
    return _trial(NAMESPACES)


def _cgroups() -> str:
    path = Path("/proc/cgroups")
    lines = [line.split() for line in path.read_text().splitlines()[1:]]
    lacking = CONTROLLERS - {line[0] for line in lines if line[3] == "1"} - {"devices"}
    return f"no controller {', '.join(sorted(lacking))}" if lacking else ""


def _links() -> str:
    for line in LINKS.strip().splitlines():
        if lack := _trial(("unshare", "--net", "sh", "-c", line)):
            return f"`{line}`: {lack}"
    return ""


def _wireguard() -> str:
    command = ("unshare", "--net", "ip", "link", "add", "w0", "type", "wireguard")
    return "not there, wireguard-go will do" if _trial(command) else ""


def _overlay(store: Path) -> str:
    try:
        store.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=store, prefix=".probe-") as trial:
            script = (
                'cd "$1" && mkdir l u w m && '
                "mount -t overlay overlay -o lowerdir=l,upperdir=u,workdir=w m"
            )
            lack = _trial(("unshare", "--mount", "sh", "-c", script, "probe", trial))
    except OSError as error:
        return f"{store}: {error.strerror}"
    return f"{store} can't hold overlay mounts ({lack}): give another --store" if lack else ""


def _trial(command: tuple[str, ...]) -> str:
    """Empty if the command succeeds, else the last line of what it said."""
    try:
        ran = subprocess.run(
            command, capture_output=True, text=True, timeout=TRIAL_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = ran.stderr.strip().splitlines()
    return "" if ran.returncode == 0 else (said[-1] if said else f"exit code {ran.returncode}")
