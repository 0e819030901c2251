"""Every fault has an inverse, is recorded, and ends when its time is over."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network

import pytest

from holdfast_sandbox.aws.faults import Facts, FaultTable, Kind
from holdfast_sandbox.control.bodies import NEEDED, FaultBody, FaultKind
from holdfast_sandbox.control.effects import SandboxEffects
from holdfast_sandbox.control.faults import Faults
from holdfast_sandbox.control.server import Refused
from holdfast_sandbox.host.simulated import SimulatedFabric, SimulatedMachines
from holdfast_sandbox.ports import MachineSpec, MachineState, Nic

START = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS: dict[str, object] = {
    "target": "i-1",
    "delay_seconds": 1,
    "ahead_seconds": 1,
    "code": "InternalError",
    "value": 1,
    "action": "ec2:RunInstances",
    "key": "AKIA1",
    "image": "ami-1",
}


class Cloud:
    """The part of the emulator that faults touch."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.faults = FaultTable()
        self.noticed: set[str] = set()
        self.revoked: set[str] = set()

    def notice_spot(self, vm_id: str) -> None:
        self.noticed.add(vm_id)

    def withdraw_spot(self, vm_id: str) -> bool:
        self.noticed.discard(vm_id)
        return True

    def revoke(self, key: str, *, revoked: bool) -> None:
        if key != "AKIA1":
            raise LookupError(key)
        (self.revoked.add if revoked else self.revoked.discard)(key)


class World:
    def __init__(self) -> None:
        self.now = START
        self.ended: list[tuple[str, str]] = []
        self.machines = SimulatedMachines(0, lambda *news: self.ended.append(news))
        self.fabric = SimulatedFabric()
        self.cloud = Cloud()
        self.silent: set[str] = set()
        effects = SandboxEffects(self.cloud, self.machines, self.fabric, self.silent)
        self.faults = Faults(effects, lambda: self.now)
        nic = Nic("vpc-1", "02:00:00:00:00:01", IPv4Address("10.0.0.4"), IPv4Network("10.0.0.0/24"))
        self.machines.create(MachineSpec("i-1", "one", nic, 2, 4096))

    def begin(self, kind: FaultKind, **more: object) -> str:
        needed = {name: SETTINGS[name] for name in NEEDED.get(kind, ())}
        return self.faults.begin(FaultBody.model_validate({"kind": kind, **needed, **more})).id

    def shape(self) -> object:
        """All that a fault can have changed."""
        return (
            dict(self.machines.status()),
            set(self.fabric.cut_off),
            set(self.silent),
            self.cloud.faults.all(),
            set(self.cloud.noticed),
            set(self.cloud.revoked),
        )


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.faults.close()


REVERSIBLE = [kind for kind in FaultKind if kind is not FaultKind.MACHINE_KILL]


@pytest.mark.parametrize("kind", REVERSIBLE)
def test_each_fault_changes_something_and_its_inverse_restores_it(
    world: World, kind: FaultKind
) -> None:
    before = world.shape()
    name = world.begin(kind)
    assert world.shape() != before
    record = world.faults.end(name)
    assert world.shape() == before
    assert record.outcome == "undone"


def test_a_killed_machine_is_gone_and_its_inverse_says_so(world: World) -> None:
    name = world.begin(FaultKind.MACHINE_KILL)
    assert world.machines.status()["i-1"].state is MachineState.GONE
    assert world.ended == [("i-1", "killed")]
    assert "nothing to undo" in world.faults.end(name).outcome


def test_a_frozen_machine_is_cut_off_too(world: World) -> None:
    world.begin(FaultKind.MACHINE_FREEZE)
    assert world.machines.status()["i-1"].state is MachineState.FROZEN
    assert world.fabric.cut_off == {"i-1"}


@pytest.mark.parametrize("kind", [FaultKind.MACHINE_FREEZE, FaultKind.MACHINE_CUT])
def test_the_inverse_accepts_a_machine_that_is_gone(world: World, kind: FaultKind) -> None:
    name = world.begin(kind)
    world.machines.destroy("i-1")
    assert world.faults.end(name).outcome == "nothing to undo: the machine is gone"


@pytest.mark.parametrize("kind", [kind for kind in FaultKind if "target" in NEEDED.get(kind, ())])
def test_an_unknown_machine_is_refused_and_the_known_ones_are_named(
    world: World, kind: FaultKind
) -> None:
    with pytest.raises(Refused, match=r"no running machine i-2; there are: i-1"):
        world.begin(kind, target="i-2")
    assert world.faults.all() == []


def test_an_unknown_key_and_fault_are_refused(world: World) -> None:
    with pytest.raises(Refused, match="no access key AKIA2"):
        world.begin(FaultKind.KEY_REVOKED, key="AKIA2")
    with pytest.raises(Refused, match="no fault f-9"):
        world.faults.end("f-9")


def test_both_ends_are_recorded_and_a_second_end_changes_nothing(world: World) -> None:
    name = world.begin(FaultKind.THROTTLE, action="RunInstances")
    world.now += timedelta(seconds=5)
    first = world.faults.end(name)
    world.now += timedelta(seconds=5)
    assert world.faults.end(name) == first
    shown = first.shown()
    assert (shown["kind"], shown["action"]) == ("throttle", "RunInstances")
    assert (first.began, first.ended) == (START, START + timedelta(seconds=5))
    assert [record.id for record in world.faults.all()] == [name]


def test_a_fault_ends_when_its_seconds_are_over(world: World) -> None:
    gone = threading.Event()
    real = world.cloud.faults.remove

    def remove(name: str) -> bool:
        done = real(name)
        gone.set()
        return done

    world.cloud.faults.remove = remove  # type: ignore[method-assign]
    world.begin(FaultKind.API_OUTAGE, seconds=0.01)
    assert gone.wait(10)
    assert world.cloud.faults.all() == ()


def test_a_fault_of_the_api_reaches_the_table_as_it_was_worded(world: World) -> None:
    world.begin(FaultKind.CAPACITY, type="m5.*", zone="eu-central-1a", market="spot", count=2)
    about = Facts(region="eu-central-1", type="m5.large", zone="eu-central-1a", market="spot")
    other = Facts(region="eu-central-1", type="m5.large", zone="eu-central-1b", market="spot")
    assert world.cloud.faults.find([Kind.CAPACITY], other) is None
    taken = [world.cloud.faults.take([Kind.CAPACITY], about) is not None for _ in range(3)]
    assert taken == [True, True, False]
    assert world.faults.end("f-1").outcome == "it had ended by its count"


def test_numbers_arrive_in_the_table(world: World) -> None:
    world.begin(FaultKind.DELAY, delay_seconds=2.5)
    world.begin(FaultKind.QUOTA, code="L-1216C47A", value=0)
    world.begin(FaultKind.CLOCK, ahead_seconds=-90)
    entries = [(fault.kind, fault.type, fault.value) for fault in world.cloud.faults.all()]
    assert entries == [
        (Kind.DELAY, "*", 2.5),
        (Kind.QUOTA, "L-1216C47A", 0),
        (Kind.CLOCK, "*", -90),
    ]
