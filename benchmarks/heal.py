"""A worker's VM is killed: until it is noticed, and until its replacement is Ready."""

import sys
import time
from collections.abc import Sequence

from benchmarks import figure, scene
from benchmarks.figure import Figure

NOTICED, HEALED = 15.0, 40.0


def measure() -> Sequence[Figure]:
    """Both count from the kill; noticed is the event that tells of the loss."""
    with scene.cluster("basic") as cluster:
        cluster.wait_settled()
        victim = cluster.nodes(role="worker", phase="ready")[0]
        before = cluster.last_event()
        began = time.monotonic()
        cluster.site.control.fault("machine-kill", target=victim["instanceId"])
        cluster.wait("noticed", lambda: cluster.events("MachineLost", after=before), 60)
        noticed = time.monotonic() - began
        cluster.wait_whole(scene.READY)
        healed = time.monotonic() - began
    return [
        Figure("worker killed to noticed", "s", NOTICED, round(noticed, 1)),
        Figure("worker killed to replacement Ready", "s", HEALED, round(healed, 1)),
    ]


if __name__ == "__main__":
    sys.exit(figure.run("heal", measure))
