"""What is left on the host when machines, or their runner, are gone: nothing."""

import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from tests.booted.machines.conftest import STORE, Bench, eventually

from holdfast_sandbox.machines import sweep
from holdfast_sandbox.machines.runner import HostMachines

MOUNTS = Path("/proc/self/mountinfo")
pytestmark = [pytest.mark.booted, pytest.mark.timeout(180)]


def processes_in(machines: HostMachines) -> set[tuple[str, str]]:
    """Process id and start time of everything in the machines' pid namespaces.

    A namespace lives by its processes, or by mounts and descriptors, which `leftovers` counts.
    """
    spaces = {Path(f"/proc/{one.pid}/ns/pid").readlink() for one in machines.status().values()}
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "ns/pid").readlink() in spaces:
                found.add((process.name, started(process)))
    return found


def started(process: Path) -> str:
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return "gone"


def leftovers(name: str) -> dict[str, object]:
    """What a leak would change: mounts, links, cgroups, directories, descriptors, threads."""
    return {
        "mounts": [line for line in MOUNTS.read_text().splitlines() if str(STORE) in line],
        "links": sorted(path.name for path in Path("/sys/class/net").iterdir()),
        "cgroups": sorted(str(path) for path in Path("/sys/fs/cgroup").glob(f"*/holdfast/{name}")),
        "directories": sorted(path.name for path in (STORE / "machines").glob(f"{name}*")),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
    }


def test_rounds_of_machines_leave_nothing_behind() -> None:
    name = f"leak-{os.getpid()}"
    before = leftovers(name)
    made: set[tuple[str, str]] = set()
    for turn in range(5):
        bench = Bench(name)
        first, second = bench.boot(), bench.boot()
        bench.run(first, "ping -c 1 -W 5 10.9.0.1")
        made |= processes_in(bench.machines)
        if turn % 2:
            bench.machines.freeze(second)
        bench.close()
    assert len(made) >= 5 * 2
    eventually(lambda: not [pid for pid, start in made if started(Path("/proc", pid)) == start])
    eventually(lambda: leftovers(name) == before)


RUNNER = """
import sys, time
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from holdfast_sandbox.machines import image
from holdfast_sandbox.machines.prepare.golden import NoLinks
from holdfast_sandbox.machines.runner import HostMachines
from holdfast_sandbox.ports import MachineSpec, Nic
nic = Nic("n", "02:00:00:00:00:01", IPv4Address("10.9.0.9"), IPv4Network("10.9.0.0/24"))
machines = HostMachines(image.load(Path(sys.argv[1])), sys.argv[2], NoLinks(), print)
for name in ("plain", "frozen"):
    machines.create(MachineSpec(name, name, nic, 2, 1024))
machines.freeze("frozen")
print(*(status.pid for status in machines.status().values()), flush=True)
time.sleep(600)
"""


def test_machines_die_with_their_runner_and_the_sweep_removes_the_rest(
    bench: Bench, machine: str
) -> None:
    name = f"killed-{os.getpid()}"
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(STORE), name], stdout=subprocess.PIPE, text=True
    )
    assert runner.stdout is not None
    pids = [int(word) for word in runner.stdout.readline().split()]
    runner.kill()
    runner.wait()
    runner.stdout.close()
    assert len(pids) == 2
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 5)
    assert (STORE / "machines" / name).is_dir()
    assert name in sweep.sweep(STORE)
    assert not (STORE / "machines" / name).exists()
    assert not list(Path("/sys/fs/cgroup").glob(f"**/{name}"))
    assert bench.run(machine, "echo alive") == "alive"  # a living sandbox is left alone
    assert name not in sweep.sweep(STORE)
