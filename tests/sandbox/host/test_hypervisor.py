"""The host does what the cloud asks, machine by machine in order, and tells what became of it."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network

import pytest

from holdfast_sandbox.aws.hypervisor import Vm
from holdfast_sandbox.host.ground import Ground
from holdfast_sandbox.host.hypervisor import Host, spec_of
from holdfast_sandbox.host.networks import Networks
from holdfast_sandbox.host.simulated import SimulatedFabric, SimulatedMachines
from holdfast_sandbox.ports import BootFailed, MachineSpec, MachineState, NetworkPicture

SOON = 10
PICTURE = NetworkPicture("vpc-1", IPv4Network("10.0.0.0/16"))


def a_vm(name: str = "i-1") -> Vm:
    return Vm(
        id=name,
        account="123456789012",
        region="eu-central-1",
        zone="eu-central-1a",
        vpc="vpc-1",
        subnet="subnet-1",
        cidr=IPv4Network("10.0.0.0/24"),
        private_address=IPv4Address("10.0.0.4"),
        public_address=None,
        mac="02:00:00:00:00:01",
        hostname="ip-10-0-0-4",
        instance_type="t3.medium",
        architecture="x86_64",
        cpus=2,
        memory_mib=4096,
        image="ami-1",
        user_data=b"",
        spot=False,
        launched=datetime(2026, 1, 1, tzinfo=UTC),
        state="pending",
    )


class Cloud:
    """Records what it is told."""

    def __init__(self) -> None:
        self.news: list[str] = []
        self.heard = threading.Condition()
        self.known = {"i-1": a_vm("i-1"), "i-2": a_vm("i-2")}

    def vm(self, vm_id: str) -> Vm | None:
        return self.known.get(vm_id)

    def booted(self, vm_id: str) -> None:
        self._hear(f"booted {vm_id}")

    def boot_failed(self, vm_id: str, reason: str) -> None:
        self._hear(f"failed {vm_id}: {reason}")

    def stopped(self, vm_id: str) -> None:
        self._hear(f"stopped {vm_id}")

    def gone(self, vm_id: str) -> None:
        self._hear(f"gone {vm_id}")

    def died(self, vm_id: str, reason: str) -> None:
        self._hear(f"died {vm_id}: {reason}")

    def until(self, *news: str) -> None:
        with self.heard:
            assert self.heard.wait_for(lambda: self.news == list(news), SOON), self.news

    def _hear(self, one: str) -> None:
        with self.heard:
            self.news.append(one)
            self.heard.notify_all()


class Machines(SimulatedMachines):
    """Boots when the gate is open; may refuse."""

    def __init__(self, host: Host) -> None:
        super().__init__(0, host.ended)
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Event()
        self.refusal: Exception | None = None

    def create(self, spec: MachineSpec) -> None:
        self.begun.set()
        assert self.gate.wait(SOON)
        if self.refusal is not None:
            raise self.refusal
        super().create(spec)


class World:
    def __init__(self, workers: int = 4) -> None:
        self.host = Host(workers)
        self.cloud = Cloud()
        self.machines = Machines(self.host)
        self.fabric = SimulatedFabric()
        self.networks = Networks(lambda: [PICTURE], self.fabric)
        ground = Ground(self.machines, self.fabric, self.machines.give_up)
        self.host.connect(self.cloud, ground, self.networks)


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.machines.gate.set()
    made.host.close()


def test_a_machine_boots_in_its_network(world: World) -> None:
    world.host.launch(a_vm())
    world.cloud.until("booted i-1")
    assert world.fabric.networks == {"vpc-1": PICTURE}
    assert world.machines.status()["i-1"].state is MachineState.RUNNING


def test_the_spec_says_what_the_cloud_says() -> None:
    spec = spec_of(a_vm())
    assert (spec.id, spec.hostname, spec.cpus, spec.memory_mib) == ("i-1", "ip-10-0-0-4", 2, 4096)
    assert (spec.nic.network, str(spec.nic.gateway)) == ("vpc-1", "10.0.0.1")


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (BootFailed("init fell over"), "init fell over"),
        (RuntimeError("a bug"), "RuntimeError: a bug"),
    ],
)
def test_a_failed_boot_is_told_with_its_reason(
    world: World, refusal: Exception, reason: str
) -> None:
    world.machines.refusal = refusal
    world.host.launch(a_vm())
    world.cloud.until(f"failed i-1: {reason}")
    assert "i-1" not in world.machines.status()


def test_a_network_that_cannot_be_made_fails_the_boot(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(picture: NetworkPicture) -> None:
        raise OSError("no bridge")

    monkeypatch.setattr(world.fabric, "apply", refuse)
    world.host.launch(a_vm())
    world.cloud.until("failed i-1: network vpc-1: no bridge")


def test_terminate_waits_for_the_boot_of_its_machine_only(world: World) -> None:
    world.machines.gate.clear()
    world.host.launch(a_vm("i-1"))
    assert world.machines.begun.wait(SOON)
    world.host.terminate("i-1")
    world.host.terminate("i-2")  # gone already: accepted, and not held up
    world.cloud.until("gone i-2")
    world.machines.gate.set()
    world.cloud.until("gone i-2", "booted i-1", "gone i-1")
    assert not world.machines.status()


def test_a_machine_that_is_to_go_is_not_booted_first() -> None:
    world = World(workers=1)
    world.machines.gate.clear()
    world.host.launch(a_vm("i-2"))
    assert world.machines.begun.wait(SOON)
    world.host.launch(a_vm("i-1"))  # waits for the only worker
    world.host.terminate("i-1")
    world.machines.gate.set()
    world.cloud.until("booted i-2", "gone i-1")
    world.host.close()


def test_what_the_host_ends_itself_is_not_reported_as_died(world: World) -> None:
    world.host.launch(a_vm())
    world.cloud.until("booted i-1")
    world.host.stop("i-1")
    world.cloud.until("booted i-1", "stopped i-1")
    world.host.start("i-1")
    world.cloud.until("booted i-1", "stopped i-1", "booted i-1")
    world.machines.kill("i-1")
    world.cloud.until("booted i-1", "stopped i-1", "booted i-1", "died i-1: killed")
    assert world.host.console("i-1").count("rebooted") == 1


def test_the_end_of_an_unknown_machine_is_no_news(world: World) -> None:
    world.host.ended("i-9", "killed")
    world.host.launch(a_vm())
    world.cloud.until("booted i-1")


def test_a_stopped_machine_without_a_disk_boots_with_a_new_one(world: World) -> None:
    world.host.start("i-1")
    world.cloud.until("booted i-1")


def test_consoles_outlive_their_machines(world: World) -> None:
    world.host.launch(a_vm())
    world.cloud.until("booted i-1")
    shown = world.host.console("i-1")
    assert "i-1" in shown
    world.host.terminate("i-1")
    world.cloud.until("booted i-1", "gone i-1")
    assert world.host.console("i-1") == shown
    assert world.host.output("i-9") == ""
    with pytest.raises(LookupError):
        world.host.console("i-9")


def test_a_boot_that_the_end_of_the_sandbox_ends_is_not_told() -> None:
    world = World()
    slow = SimulatedMachines(600, world.host.ended)
    world.host.connect(world.cloud, Ground(slow, world.fabric, slow.give_up), world.networks)
    world.host.launch(a_vm())
    while not slow.status():
        threading.Event().wait(0.01)
    world.host.close()
    assert world.cloud.news == []
