"""The upper of the two fixed layers: Kubernetes' node programmes, containerd, settings, units.

Programmes are hard links to the parts that they come from, so the layer costs no space. Several
Kubernetes versions lie side by side in /opt/kube; `/opt/kube/current` names the one in use, and
a machine may point it elsewhere.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from holdfast_sandbox.machines.prepare.parts import Part
from holdfast_sandbox.machines.prepare.progress import Step
from holdfast_sandbox.machines.prepare.recipe import NODE_PROGRAMS

ROOTFS = Path(__file__).parent / "rootfs"
RUNTIME_PROGRAMS = ("containerd", "ctr", "containerd-shim-runc-v2")
ETCD_TOOLS = ("etcdctl", "etcdutl")
SYSTEM = "etc/systemd/system"
MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "console-getty.service",
    "dpkg-db-backup.timer",
    "getty@.service",
)
ENABLED = {
    "containerd.service": "multi-user.target",
    "kubelet.service": "multi-user.target",
    "kernel-modules-listed.service": "sysinit.target",
}
LINKS = {
    "opt/cni/bin": "/usr/lib/cni",
    f"{SYSTEM}/default.target": "/lib/systemd/system/multi-user.target",
    **{f"{SYSTEM}/{target}.wants/{unit}": f"/{SYSTEM}/{unit}" for unit, target in ENABLED.items()},
    **{f"{SYSTEM}/{unit}": "/dev/null" for unit in MASKED},
    **{f"usr/bin/{name}": f"/opt/kube/current/{name}" for name in NODE_PROGRAMS},
}


@dataclass(frozen=True, slots=True)
class LayerSources:
    """Directories of finished parts. `kubernetes` is by version, the version in use first."""

    kubernetes: Mapping[str, Path]
    containerd: Path
    etcd: Path


def part(sources: LayerSources) -> Part:
    """The layer above the Debian base."""
    origins = (*sources.kubernetes.values(), sources.containerd, sources.etcd)
    recipe = (
        *(path.name for path in origins),
        *(f"{name}\n{text}" for name, text in settings()),
        *(f"{name} -> {target}" for name, target in sorted(LINKS.items())),
    )

    def make(directory: Path, step: Step) -> None:
        _fill(directory, sources)
        step.advance("linked")

    return Part("layer", "Kubernetes layer", recipe, make, size_mib=10)


def settings() -> Iterator[tuple[str, str]]:
    """Path and text of every file of settings."""
    for path in sorted(ROOTFS.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(ROOTFS)), path.read_text()


def _fill(directory: Path, sources: LayerSources) -> None:
    for name, text in settings():
        path = _place(directory, name)
        path.write_text(text)
    for name, target in LINKS.items():
        _place(directory, name).symlink_to(target)
    _hard_links(directory, "usr/bin", sources.containerd, RUNTIME_PROGRAMS)
    _hard_links(directory, "usr/bin", sources.etcd, ETCD_TOOLS)
    for version, programs in sources.kubernetes.items():
        _hard_links(directory, f"opt/kube/{version}", programs, NODE_PROGRAMS)
    _place(directory, "opt/kube/current").symlink_to(next(iter(sources.kubernetes)))


def _place(directory: Path, name: str) -> Path:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _hard_links(directory: Path, place: str, source: Path, names: Sequence[str]) -> None:
    for name in names:
        os.link(source / name, _place(directory, f"{place}/{name}"))
