"""Disk: the machine image with both Kubernetes versions, and what each machine adds to it."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import figure, scene
from benchmarks.figure import Figure
from holdfast_sandbox.machines import image

IMAGE_GOAL, MACHINE_GOAL = 3.0, 60.0  # GB; MB without etcd


def measure() -> Sequence[Figure]:
    """Hard links and shared layers are counted once, with the image."""
    parts = image.default_store() / "parts"
    with scene.cluster("basic") as cluster:
        machines = [_directory(node["instanceId"]) for node in cluster.nodes()]
        whole, *each = _sizes(parts, *machines)
        extra = [
            size - _sizes(place / "data" / "etcd")[0]
            for size, place in zip(each, machines, strict=True)
        ]
        etcd = sum(_sizes(place / "data" / "etcd")[0] for place in machines)
    print(f"etcd of the control plane: {etcd / 1e6:.0f} MB")
    most = round(max(extra) / 1e6, 1)
    values = tuple(round(size / 1e6, 1) for size in extra)
    return [
        Figure("machine image on disk", "GB", IMAGE_GOAL, round(whole / 1e9, 2)),
        Figure("extra per machine without etcd (most of 4)", "MB", MACHINE_GOAL, most, values),
    ]


def _directory(machine: str) -> Path:
    (found,) = (image.default_store() / "machines").glob(f"*/{machine}")
    return found


def _sizes(*places: Path) -> list[int]:
    """Bytes of each, an inode that an earlier place holds not counted again."""
    done = subprocess.run(
        ["du", "--summarize", "--block-size=1", *map(str, places)],
        capture_output=True,
        text=True,
        check=False,  # files of a running machine come and go meanwhile
    )
    return [int(line.split()[0]) for line in done.stdout.splitlines()]


if __name__ == "__main__":
    sys.exit(figure.run("disk", measure))
