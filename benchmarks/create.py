"""From the request to a basic cluster with four Ready nodes, CoreDNS and the pod network ready."""

import statistics
import sys
import time
from collections.abc import Sequence

from benchmarks import figure, scene
from benchmarks.figure import Figure

RUNS = 3
GOAL = 50.0


def measure() -> Sequence[Figure]:
    """The median of three creations, each of a new cluster on one platform."""
    seconds = []
    with scene.site() as site:
        for run in range(RUNS):
            began = time.monotonic()
            cluster = site.create(f"create-{run}", preset="basic")
            cluster.wait_whole(scene.READY)
            seconds.append(round(time.monotonic() - began, 1))
            cluster.delete()
    name = "create to 4 nodes Ready, CoreDNS and network ready (median)"
    return [Figure(name, "s", GOAL, statistics.median(seconds), tuple(seconds))]


if __name__ == "__main__":
    sys.exit(figure.run("create", measure))
