"""A machine that boots: what it is, what is in it, and what it cannot do to its host."""

import json
import signal
import time
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from tests.booted.machines.conftest import STORE, SUBNET, Bench, eventually

from holdfast_sandbox.machines import image
from holdfast_sandbox.ports import MachineState

pytestmark = [pytest.mark.booted, pytest.mark.timeout(180)]


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


def test_a_machine_address_is_its_own(bench: Bench, machine: str) -> None:
    gateway = IPv4Address(bench.run(machine, "ip route show default").split()[2])
    assert gateway == SUBNET.network_address + 1


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
