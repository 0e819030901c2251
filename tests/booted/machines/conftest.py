"""A throw-away network and a runner with its report, for the tests of machines."""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from itertools import count

import pytest

from holdfast_sandbox.machines import image, probe
from holdfast_sandbox.machines.runner import HostMachines
from holdfast_sandbox.ports import MachineSpec, MachineState, Nic

STORE = image.default_store()
SUBNET = IPv4Network("10.9.0.0/24")
NUMBERS = count(1)


class Bridge:
    """A throw-away network: a namespace with a bridge, nothing else."""

    SETUP = (
        "ip link set lo up && ip link add br0 type bridge && ip addr add 10.9.0.1/24 dev br0"
        " && ip addr add 169.254.169.254/32 dev br0"  # nobody listens: refused at once
        " && ip link set br0 up && echo up && exec sleep infinity"
    )

    def __init__(self) -> None:
        self._keeper = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sh", "-c", self.SETUP],
            stdout=subprocess.PIPE,
        )
        assert self._keeper.stdout is not None
        assert self._keeper.stdout.readline() == b"up\n"
        self._lock = threading.Lock()
        self.links: dict[str, str] = {}

    def plug(self, machine: str, nic: Nic, pid: int) -> None:
        self.unplug(machine)
        with self._lock:
            link = f"v{next(NUMBERS)}"
            self.links[machine] = link
        peer = f"ip link add {link} type veth peer name eth0 address {nic.mac} netns {pid}"
        self._inside(self._keeper.pid, f"{peer} && ip link set {link} master br0 up")
        self._inside(
            pid,
            f"ip addr add {nic.address}/24 dev eth0 && ip link set eth0 up"
            f" && ip route add default via {nic.gateway}",
        )

    def unplug(self, machine: str) -> None:
        with self._lock:
            link = self.links.pop(machine, None)
        if link is not None:
            # It may go by itself meanwhile, with the machine's namespace.
            self._inside(self._keeper.pid, f"ip link del {link} || true")

    def close(self) -> None:
        assert self._keeper.stdout is not None
        self._keeper.stdout.close()
        self._keeper.kill()
        self._keeper.wait()

    def _inside(self, pid: int, script: str) -> None:
        subprocess.run(
            ["nsenter", "-t", str(pid), "-n", "sh", "-c", script], check=True, capture_output=True
        )


class Bench:
    """A runner, its network and what it reported."""

    def __init__(self, name: str, init: str | None = None) -> None:
        self.network = Bridge()
        self.ended: list[tuple[str, str]] = []
        more = {} if init is None else {"init": init}
        self.machines = HostMachines(
            image.load(STORE), name, self.network, lambda *end: self.ended.append(end), **more
        )

    def boot(self, cpus: int = 2, memory_mib: int = 1024) -> str:
        number = next(NUMBERS)
        nic = Nic("net", f"02:00:00:00:00:{number % 256:02x}", SUBNET[10 + number % 200], SUBNET)
        machine = f"m{number}"
        self.machines.create(MachineSpec(machine, f"node-{number}", nic, cpus, memory_mib))
        return machine

    def run(self, machine: str, script: str, timeout: float = 30) -> str:
        code, output = self.machines.execute(machine, ["sh", "-c", script], timeout)
        assert code == 0, f"{script}: {output}"
        return output.strip()

    def state(self, machine: str) -> MachineState:
        return self.machines.status()[machine].state

    def close(self) -> None:
        self.machines.close()
        self.network.close()


@pytest.fixture(scope="module", autouse=True)
def possible() -> None:
    if reason := probe.missing(STORE):
        pytest.skip(reason)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    made = Bench(f"test-{os.getpid()}")
    yield made
    made.close()


@pytest.fixture
def machine(bench: Bench) -> Iterator[str]:
    made = bench.boot()
    yield made
    bench.machines.destroy(made)


def eventually(true: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.02)
