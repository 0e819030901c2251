"""The fabric follows the cloud's networks: soon, coalesced, and again after a failure."""

import threading
from collections.abc import Iterator
from ipaddress import IPv4Network

import pytest

from holdfast_sandbox.host import networks
from holdfast_sandbox.host.networks import NetworkFailed, Networks
from holdfast_sandbox.host.simulated import SimulatedFabric
from holdfast_sandbox.ports import NetworkPicture

SOON = 10


def a_picture(name: str, cidr: str = "10.0.0.0/16") -> NetworkPicture:
    return NetworkPicture(name, IPv4Network(cidr))


class Fabric(SimulatedFabric):
    """Counts what it is told; refuses the networks in `broken`; tells when `told` is reached."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.broken: set[str] = set()
        self.gate = threading.Event()
        self.gate.set()
        self.news = threading.Condition()

    def apply(self, picture: NetworkPicture) -> None:
        self.gate.wait(SOON)
        self._note(f"apply {picture.id}")
        if picture.id in self.broken:
            raise OSError("no such bridge")
        super().apply(picture)

    def remove(self, network: str) -> None:
        self._note(f"remove {network}")
        if network in self.broken:
            raise OSError("still in use")
        super().remove(network)

    def until(self, count: int) -> None:
        with self.news:
            assert self.news.wait_for(lambda: len(self.calls) >= count, SOON), self.calls

    def _note(self, call: str) -> None:
        with self.news:
            self.calls.append(call)
            self.news.notify_all()


class World:
    def __init__(self) -> None:
        self.fabric = Fabric()
        self.pictures: list[NetworkPicture] = []
        self.networks = Networks(lambda: list(self.pictures), self.fabric)


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    made.networks.start()
    yield made
    made.networks.close()


def test_a_change_reaches_the_fabric_and_the_unchanged_is_left_alone(world: World) -> None:
    world.pictures = [a_picture("a"), a_picture("b")]
    world.networks.changed()
    world.fabric.until(2)
    world.pictures = [a_picture("a"), a_picture("b", "10.1.0.0/16")]
    world.networks.changed()
    world.fabric.until(3)
    assert world.fabric.calls == ["apply a", "apply b", "apply b"]


def test_a_network_that_is_gone_is_removed(world: World) -> None:
    world.pictures = [a_picture("a")]
    world.networks.changed()
    world.fabric.until(1)
    world.pictures = []
    world.networks.changed()
    world.fabric.until(2)
    assert world.fabric.calls == ["apply a", "remove a"]
    assert world.networks.state() == {}


def test_many_changes_in_a_row_become_few_passes(world: World) -> None:
    world.fabric.gate.clear()
    for number in range(50):
        world.pictures = [a_picture("a", f"10.{number}.0.0/16")]
        world.networks.changed()
    world.fabric.gate.set()
    world.networks.settle("a")
    assert len(world.fabric.calls) <= 3
    assert world.fabric.networks["a"] == world.pictures[0]


def test_settle_returns_when_the_network_is_as_the_cloud_has_it() -> None:
    world = World()  # nobody follows: settle does it alone
    world.pictures = [a_picture("a")]
    world.networks.settle("a")
    assert world.fabric.networks["a"] == world.pictures[0]


def test_a_network_that_fails_is_named_and_does_not_hold_up_others() -> None:
    world = World()
    world.fabric.broken = {"a"}
    world.pictures = [a_picture("a"), a_picture("b")]
    with pytest.raises(NetworkFailed, match="network a: no such bridge"):
        world.networks.settle("a")
    world.networks.settle("b")
    assert world.networks.state() == {"b": "applied", "a": "no such bridge"}


def test_a_failed_network_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "AGAIN_SECONDS", 0.01)
    world.fabric.broken = {"a"}
    world.pictures = [a_picture("a")]
    world.networks.changed()
    world.fabric.until(2)
    world.fabric.broken = set()
    world.fabric.until(len(world.fabric.calls) + 1)
    world.networks.settle("a")
    assert world.networks.state() == {"a": "applied"}


def test_a_network_that_cannot_be_removed_holds_up_no_other_and_is_tried_again() -> None:
    world = World()
    world.pictures = [a_picture("a")]
    world.networks.settle("a")
    world.fabric.broken = {"a"}
    world.pictures = [a_picture("b")]
    world.networks.settle("b")
    world.fabric.broken = set()
    world.networks.settle("b")
    assert world.fabric.calls == ["apply a", "remove a", "apply b", "remove a"]
    assert world.networks.state() == {"b": "applied"}


def test_the_following_survives_pictures_that_cannot_be_taken(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tried = threading.Semaphore(0)
    fabric = Fabric()
    broken = True

    def pictures() -> list[NetworkPicture]:
        tried.release()
        if broken:
            raise RuntimeError("no pictures today")
        return [a_picture("a")]

    following = Networks(pictures, fabric)
    following.start()
    following.changed()
    assert tried.acquire(timeout=SOON)
    broken = False
    following.changed()
    fabric.until(1)
    following.close()
    assert "no pictures today" in caplog.text
