"""Machines on this host: they boot, are faulted, end, and leave nothing behind."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network
from itertools import count
from pathlib import Path

import pytest

from holdfast_sandbox.machines import image, probe, sweep
from holdfast_sandbox.machines.runner import HostMachines, NoSuchMachine, NotRunning
from holdfast_sandbox.ports import BootFailed, MachineSpec, MachineState, Nic

STORE = image.default_store()
SUBNET = IPv4Network("10.9.0.0/24")
NUMBERS = count(1)
MOUNTS = Path("/proc/self/mountinfo")

pytestmark = [pytest.mark.booted, pytest.mark.timeout(180)]


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


def test_a_machine_boots_with_its_own_name_network_and_init(bench: Bench, machine: str) -> None:
    number = machine.removeprefix("m")
    assert bench.run(machine, "hostname") == f"node-{number}"
    assert bench.run(machine, "cat /proc/1/comm") == "systemd"
    assert "nameserver 169.254.169.254" in bench.run(machine, "cat /etc/resolv.conf")
    addresses = json.loads(bench.run(machine, "ip -j -4 addr show eth0"))[0]["addr_info"]
    assert addresses[0]["local"] == str(SUBNET[10 + int(number) % 200])
    bench.run(machine, "ping -c 1 -W 5 10.9.0.1")
    status = bench.machines.status()[machine]
    assert status.state is MachineState.RUNNING
    assert Path(f"/proc/{status.pid}/comm").read_text() == "systemd\n"
    eventually(lambda: "Welcome to" in bench.machines.console(machine))


def test_what_a_node_agent_needs_is_there(bench: Bench, machine: str) -> None:
    bench.run(machine, "python3 -c 'import ssl, json, urllib.request, sqlite3'")
    for program in ("openssl", "curl", "wg", "wireguard-go", "kubeadm", "kubelet", "kubectl"):
        bench.run(machine, f"command -v {program}")
    versions = image.load(STORE).versions
    assert bench.run(machine, "kubeadm version -o short") == f"v{versions[0]}"
    assert set(bench.run(machine, "ls /opt/kube").split()) == {"current", *versions}
    eventually(lambda: bench.machines.execute(machine, ["modprobe", "br_netfilter"])[0] == 0)


def test_a_machine_shows_sixteen_processors_on_any_host(bench: Bench) -> None:
    big = bench.boot(cpus=16, memory_mib=65536)
    assert bench.run(big, "grep -c ^processor /proc/cpuinfo") == "16"
    assert bench.run(big, "cat /sys/devices/system/cpu/online") == "0-15"
    assert bench.run(big, "ls -d /sys/devices/system/cpu/cpu[0-9]* | wc -l") == "16"
    assert bench.run(big, "grep MemTotal /proc/meminfo").split()[1] == str(65536 << 10)
    bench.machines.destroy(big)


def test_containers_run_from_the_preloaded_images(bench: Bench, machine: str) -> None:
    eventually(
        lambda: bench.machines.execute(machine, ["systemctl", "is-active", "containerd"])[0] == 0,
        60,
    )
    run = "ctr -n k8s.io run --net-host"
    echoed = bench.run(machine, f"{run} --rm holdfast.dev/web:1 a /bin/busybox echo from inside")
    assert echoed.endswith("from inside")
    bench.run(machine, f"{run} -d holdfast.dev/web:1 b")
    eventually(
        lambda: "It works" in bench.machines.execute(machine, ["curl", "-s", "localhost:8080"])[1]
    )
    images = bench.run(machine, "ctr -n k8s.io images list -q").split()
    for version in image.load(STORE).versions:
        assert f"registry.k8s.io/kube-apiserver:v{version}" in images


def test_a_killed_machine_keeps_disk_and_console_and_starts_again(
    bench: Bench, machine: str
) -> None:
    bench.run(machine, "echo kept > /root/file; (sleep 600 </dev/null >/dev/null 2>&1 &)")
    first_boot = bench.run(machine, "cat /proc/sys/kernel/random/boot_id")
    bench.machines.kill(machine)
    assert (machine, "killed") in bench.ended
    status = bench.machines.status()[machine]
    assert (status.state, status.pid, status.reason) == (MachineState.GONE, None, "killed")
    assert bench.machines.console(machine)
    with pytest.raises(NotRunning, match="is gone"):
        bench.machines.execute(machine, ["true"])
    bench.machines.reboot(machine)
    assert bench.run(machine, "cat /root/file") == "kept"
    assert bench.run(machine, "cat /proc/sys/kernel/random/boot_id") != first_boot
    bench.run(machine, "ping -c 1 -W 5 10.9.0.1")


def test_a_frozen_machine_stands_still_and_goes_on_when_thawed(bench: Bench, machine: str) -> None:
    ticker = "(while :; do echo x >> /root/ticks; sleep 0.01; done </dev/null >/dev/null 2>&1 &)"
    bench.run(machine, ticker)
    ticks = Path(f"/proc/{bench.machines.status()[machine].pid}/root/root/ticks")
    eventually(lambda: ticks.exists() and ticks.stat().st_size > 10)
    bench.machines.freeze(machine)
    assert bench.state(machine) is MachineState.FROZEN
    still = ticks.stat().st_size
    with pytest.raises(NotRunning, match="is frozen"):
        bench.machines.execute(machine, ["true"])
    assert ticks.stat().st_size == still
    bench.machines.thaw(machine)
    eventually(lambda: ticks.stat().st_size > still)
    assert bench.state(machine) is MachineState.RUNNING


def test_a_frozen_machine_can_be_killed(bench: Bench, machine: str) -> None:
    bench.machines.freeze(machine)
    bench.machines.kill(machine)
    assert bench.state(machine) is MachineState.GONE


def test_a_guest_that_powers_off_is_reported(bench: Bench, machine: str) -> None:
    bench.machines.execute(machine, ["systemctl", "--force", "--force", "poweroff"])
    eventually(lambda: (machine, "guest powered off") in bench.ended)
    assert bench.state(machine) is MachineState.GONE


def test_a_guest_that_restarts_comes_back_unreported(bench: Bench, machine: str) -> None:
    first = bench.machines.status()[machine].pid
    bench.machines.execute(machine, ["systemctl", "--force", "--force", "reboot"])
    eventually(
        lambda: (
            bench.state(machine) is MachineState.RUNNING
            and bench.machines.status()[machine].pid not in (first, None)
        )
    )
    assert machine not in [who for who, _ in bench.ended]
    bench.run(machine, "ping -c 1 -W 5 10.9.0.1")


def test_a_kill_from_outside_is_reported(bench: Bench, machine: str) -> None:
    pid = bench.machines.status()[machine].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: (machine, "init was killed") in bench.ended)


def test_a_command_that_does_not_end_is_given_up(bench: Bench, machine: str) -> None:
    with pytest.raises(TimeoutError, match="no end of"):
        bench.machines.execute(machine, ["sh", "-c", "sleep 4321; true"], timeout=0.5)
    eventually(lambda: "4321" not in bench.run(machine, "ps ax -o args= | grep '[s]leep' || true"))


def test_a_daemon_that_keeps_its_output_does_not_hold_the_caller(
    bench: Bench, machine: str
) -> None:
    begin = time.monotonic()
    assert bench.run(machine, "sleep 100 & echo started") == "started"
    assert time.monotonic() - begin < 10


def test_the_memory_of_a_machine_is_limited(bench: Bench) -> None:
    small = bench.boot(memory_mib=256)
    eater = ["python3", "-c", "x = b'x' * (400 << 20)"]
    assert bench.machines.execute(small, eater)[0] in (137, -signal.SIGKILL)
    assert bench.run(small, "cat /proc/1/comm") == "systemd"
    bench.machines.destroy(small)


def test_a_machine_cannot_change_the_host(bench: Bench, machine: str) -> None:
    kept = {name: Path("/proc/sys", name) for name in ("kernel/panic", "vm/overcommit_memory")}
    before = {name: path.read_text() for name, path in kept.items()}
    for name in kept:
        bench.run(machine, f"echo 1 > /proc/sys/{name}; grep -qx 1 /proc/sys/{name}")
    assert {name: path.read_text() for name, path in kept.items()} == before
    refused = bench.machines.execute(machine, ["sh", "-c", "echo 5 > /proc/sys/vm/swappiness"])
    assert refused[0] != 0
    device = "mknod /root/disk b 254 0 && head -c 1 /root/disk"
    code, output = bench.machines.execute(machine, ["sh", "-c", device])
    assert code != 0
    assert "not permitted" in output


def test_an_init_that_is_missing_is_a_failed_boot_with_its_reason() -> None:
    bench = Bench(f"test-{os.getpid()}-bad", init="/no/such/init")
    try:
        with pytest.raises(BootFailed, match="No such file or directory"):
            bench.boot()
        (status,) = bench.machines.status().values()
        assert status.state is MachineState.GONE
        assert "/no/such/init" in bench.machines.console(status.id)
        bench.machines.destroy(status.id)
        bench.machines.destroy(status.id)
        with pytest.raises(NoSuchMachine):
            bench.machines.console(status.id)
        assert bench.ended == []
    finally:
        bench.close()


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
    assert sweep.sweep(STORE) == [name]
    assert not (STORE / "machines" / name).exists()
    assert not list(Path("/sys/fs/cgroup").glob(f"**/{name}"))
    assert bench.run(machine, "echo alive") == "alive"  # a living sandbox is left alone
    assert sweep.sweep(STORE) == []


def test_a_machine_address_is_its_own(bench: Bench, machine: str) -> None:
    gateway = IPv4Address(bench.run(machine, "ip route show default").split()[2])
    assert gateway == SUBNET.network_address + 1
