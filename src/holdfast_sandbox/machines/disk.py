"""The directory of one machine: its upper layer, its container images, its own kernel files.

upper work root     the overlay and where it is mounted
data/containerd     hard links into the golden directory, its databases copied
data/kubelet etcd   on the host's file system
fake                see capacity.py
"""

import hashlib
import shutil
import subprocess
from pathlib import Path

from holdfast_sandbox.machines import capacity
from holdfast_sandbox.ports import MachineSpec

RESOLVER = "169.254.169.254"
# Written in place by containerd, so these must not be shared between machines.
DATABASES = (
    "io.containerd.metadata.v1.bolt/meta.db",
    "io.containerd.snapshotter.v1.overlayfs/metadata.db",
)
IDENTITY = "io.containerd.grpc.v1.introspection/uuid"


def make(directory: Path, spec: MachineSpec, golden: Path | None) -> None:
    """Make a machine's directory. Its parent must be on the file system of `golden`."""
    for name in ("upper/etc", "work", "root", "data/kubelet", "data/etcd", "fake"):
        (directory / name).mkdir(parents=True)
    for name, text in identity(spec).items():
        (directory / "upper" / name).write_text(text)
    capacity.write(directory / "fake", spec.cpus, spec.memory_mib)
    containerd = directory / "data/containerd"
    containerd.mkdir()
    if golden is not None:
        share(golden, containerd)


def identity(spec: MachineSpec) -> dict[str, str]:
    """Files of a machine's upper layer by which it knows itself and its resolver."""
    short = spec.hostname.partition(".")[0]
    names = spec.hostname if short == spec.hostname else f"{spec.hostname} {short}"
    return {
        "etc/hostname": f"{spec.hostname}\n",
        "etc/hosts": (
            "127.0.0.1 localhost\n"
            "::1 localhost ip6-localhost ip6-loopback\n"
            f"{spec.nic.address} {names}\n"
        ),
        "etc/machine-id": _digest(spec.id) + "\n",
        "etc/resolv.conf": f"nameserver {RESOLVER}\noptions timeout:1 attempts:2\n",
    }


def boot_id(machine: str, boots: int) -> str:
    """What `/proc/sys/kernel/random/boot_id` shows: another value after each boot."""
    text = _digest(f"{machine} boot {boots}")
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:]}\n"


def stamp_boot(directory: Path, machine: str, boots: int) -> None:
    """Give a machine the identity of its next boot."""
    path = directory / "fake/sysctl" / capacity.BOOT_ID
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(boot_id(machine, boots))


def share(golden: Path, containerd: Path) -> None:
    """Fill a containerd directory with the golden images at the price of their directories."""
    subprocess.run(
        ["cp", "-al", f"{golden}/.", str(containerd)], check=True, capture_output=True, text=True
    )
    for name in DATABASES:
        own = containerd / name
        own.unlink()
        shutil.copyfile(golden / name, own)
    (containerd / IDENTITY).unlink(missing_ok=True)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
