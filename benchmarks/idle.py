"""The platform with one settled basic cluster: CPU of a pass, memory and CPU at rest."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from demo.site import Holding, wait_until

from benchmarks import figure, scene
from benchmarks.figure import Figure

PASSES = 20
LOOKS = 60
REST = 60.0  # seconds
PASS_GOAL, MEMORY_GOAL, CPU_GOAL = 100.0, 250.0, 2.0
TICKS = os.sysconf("SC_CLK_TCK")


def measure() -> Sequence[Figure]:
    """Rest first, then passes on request.

    Taken off their cost: what rest costs meanwhile, and the API requests (each a new TLS
    connection) that ask for a pass and look for its end, at the price of a request measured alone.
    """
    with scene.cluster("basic") as cluster:
        pid = cluster.site.platform.pid
        at_rest = _cpu_over(pid, REST)
        memory = _resident(pid)
        request = _cpu_of_a_request(cluster, pid)
        began, before = time.monotonic(), _cpu(pid)
        requests = sum(_one_pass(cluster) for _ in range(PASSES))
        resting = at_rest * (time.monotonic() - began)
        used = _cpu(pid) - before - resting - request * requests
        print(f"{requests / PASSES:.1f} requests a pass at {request * 1000:.1f} ms CPU each")
    return [
        Figure(
            "settled pass, platform CPU", "ms", PASS_GOAL, round(max(used, 0) / PASSES * 1000, 1)
        ),
        Figure("platform at rest, resident memory", "MB", MEMORY_GOAL, round(memory, 1)),
        Figure("platform at rest, CPU", "% of a core", CPU_GOAL, round(at_rest * 100, 2)),
    ]


def _one_pass(cluster: Holding) -> int:
    """Ask for a pass and wait for its end; returns how many requests that took."""
    earlier, looks = cluster.now()["reconciledAt"], 0

    def ended() -> bool:
        nonlocal looks
        looks += 1
        return bool(cluster.now()["reconciledAt"] != earlier)

    cluster.reconcile()
    wait_until("a pass", ended, 30, pause=0.3)
    return looks + 2


def _cpu_of_a_request(cluster: Holding, pid: int) -> float:
    """CPU seconds of the platform for one look at a cluster."""
    before = _cpu(pid)
    for _ in range(LOOKS):
        cluster.now()
    return (_cpu(pid) - before) / LOOKS


def _cpu_over(pid: int, seconds: float) -> float:
    """CPU seconds per second over a span in which nobody asks anything."""
    began, before = time.monotonic(), _cpu(pid)
    time.sleep(seconds)
    return (_cpu(pid) - before) / (time.monotonic() - began)


def _cpu(pid: int) -> float:
    """CPU seconds of a process so far, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _resident(pid: int) -> float:
    """MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"process {pid} shows no VmRSS")


if __name__ == "__main__":
    sys.exit(figure.run("idle", measure))
