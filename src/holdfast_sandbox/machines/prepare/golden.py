"""The golden containerd directory: all images unpacked once, then shared by hard links.

Made in a throw-away machine, by the same containerd that will use it.
"""

import shutil
import threading
import time
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from holdfast_sandbox.machines.image import Prepared
from holdfast_sandbox.machines.prepare import images, oci, recipe
from holdfast_sandbox.machines.prepare.errors import PrepareError
from holdfast_sandbox.machines.prepare.parts import Part
from holdfast_sandbox.machines.prepare.progress import Step
from holdfast_sandbox.machines.runner import HostMachines
from holdfast_sandbox.ports import BootFailed, MachineSpec, Nic

CONTAINERD = "containerd"
MACHINE = "golden"
SPEC = MachineSpec(
    id=MACHINE,
    hostname=MACHINE,
    nic=Nic("none", "02:00:00:00:00:01", IPv4Address("192.0.2.2"), IPv4Network("192.0.2.0/24")),
    cpus=2,
    memory_mib=4096,
)
INIT = "/usr/bin/containerd"  # the machine needs nothing else
START_SECONDS = 60.0
STOP_SECONDS = 30.0
IMPORT_SECONDS = 300.0
PRUNE_SECONDS = 60.0
POLL_SECONDS = 0.1
# A layer's blob is no longer needed when it is unpacked; what stays are manifests and configs.
SMALL_BLOB = 1 << 20
SCRATCH = "var/lib/kubelet"  # lies on the host's file system, outside the machine's overlay
PIN = "io.cri-containerd.pinned=pinned"


class NoLinks:
    """The throw-away machine has no network."""

    def plug(self, machine: str, nic: Nic, pid: int) -> None:
        """Nothing to plug."""

    def unplug(self, machine: str) -> None:
        """Nothing to remove."""


def part(sources: images.Sources, prepared: Prepared) -> Part:
    """The golden directory, in `containerd` of the part. `prepared` are the layers to boot."""
    origins = [sources.base, sources.coredns, sources.flannel, sources.pause]
    origins += [*sources.kubernetes.values(), *sources.etcd.values()]
    own = [Path(str(module.__file__)) for module in (images, oci)]
    own.append(Path(__file__))
    names = (str(path.parent.name if path.name == "root" else path.name) for path in origins)
    containerd = prepared.lower[0] / "usr/bin/containerd"
    content = (*names, recipe.CONTAINERD, *(path.read_text() for path in own))

    def make(directory: Path, step: Step) -> None:
        if not containerd.exists():
            raise PrepareError(f"{containerd} is missing")
        _make(directory, sources, prepared, step)

    size = 350 + 600 * len(sources.kubernetes)
    return Part("golden", "container images", content, make, size_mib=size)


def _make(directory: Path, sources: images.Sources, prepared: Prepared, step: Step) -> None:
    wanted = images.all_images(sources)
    step.total(len(wanted) + 3)
    ended = threading.Event()
    machines = HostMachines(
        prepared, f"golden-{directory.name[-8:]}", NoLinks(), lambda *_: ended.set(), INIT
    )
    try:
        machines.create(SPEC)
        step.advance("booted")
        until(machines, ["ctr", "version"], START_SECONDS)
        for image in wanted:
            step.advance(image.names[0])
            _import(machines, machines.directory(MACHINE), image)
        step.advance("removing unpacked archives")
        _prune(machines, machines.directory(MACHINE) / "data" / CONTAINERD)
        _stop(machines, ended)
        shutil.move(machines.directory(MACHINE) / "data" / CONTAINERD, directory / CONTAINERD)
    except (BootFailed, TimeoutError) as error:
        raise PrepareError(f"the container images could not be unpacked: {error}") from error
    finally:
        machines.close()


def until(machines: HostMachines, command: list[str], seconds: float) -> None:
    """Run a command in the golden machine until it succeeds. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while (answer := machines.execute(MACHINE, command))[0] != 0:
        if time.monotonic() > end:
            raise TimeoutError(f"{' '.join(command)}: {answer[1]}")
        time.sleep(POLL_SECONDS)


def _stop(machines: HostMachines, ended: threading.Event) -> None:
    _run(machines, ["kill", "-TERM", "1"])
    if not ended.wait(STOP_SECONDS):
        raise TimeoutError("containerd did not stop")


def _import(machines: HostMachines, directory: Path, image: oci.Image) -> None:
    archive = directory / "data/kubelet/image.tar"
    oci.write(image, archive, recipe.architecture())
    ctr = ["ctr", "-n", "k8s.io", "images"]
    _run(machines, [*ctr, "import", "--local", f"/{SCRATCH}/{archive.name}"])
    for name in image.names:
        _run(machines, [*ctr, "label", name, PIN])
    archive.unlink()


def _prune(machines: HostMachines, containerd: Path) -> None:
    """Drop the layers' archives, then wait until the garbage collector has removed them."""
    _run(machines, ["ctr", "-n", "k8s.io", "content", "prune", "references"])
    end = time.monotonic() + PRUNE_SECONDS
    while left := _large_blobs(containerd):
        if time.monotonic() > end:
            raise TimeoutError(f"{len(left)} image archives are not removed by containerd")
        time.sleep(POLL_SECONDS)


def _large_blobs(containerd: Path) -> Sequence[Path]:
    found = []
    for path in containerd.glob("io.containerd.content.v1.content/blobs/sha256/*"):
        try:
            if path.stat().st_size > SMALL_BLOB:
                found.append(path)
        except FileNotFoundError:
            continue
    return found


def _run(machines: HostMachines, command: list[str]) -> None:
    code, output = machines.execute(MACHINE, command, IMPORT_SECONDS)
    if code:
        raise PrepareError(f"{' '.join(command)} ended with {code}: {output.strip()[-500:]}")
