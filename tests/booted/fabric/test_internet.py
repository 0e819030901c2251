"""Public addresses, the sandbox internet and networks beside each other, with real packets."""

import contextlib
from ipaddress import IPv4Address, IPv4Network

import pytest
from tests.booted.fabric.conftest import World, eventually

from holdfast_sandbox.fabric.errors import FabricError
from holdfast_sandbox.fabric.names import OUTSIDE
from holdfast_sandbox.ports import FirewallRule, NetworkPicture, NetworkPort

pytestmark = [pytest.mark.booted, pytest.mark.enable_socket]


def test_public_addresses_work_in_both_directions(world: World) -> None:
    here, there = world.lan(1), world.lan(1)
    here.boxes[0].serve(80)
    there.boxes[0].serve(80)
    assert here.boxes[0].reach(there.public(0), 80) == str(here.public(0))
    assert there.boxes[0].reach(here.public(0), 80) == str(there.public(0))
    assert here.boxes[0].ping(OUTSIDE)


def test_a_machine_reaches_its_own_and_its_neighbours_public_address(world: World) -> None:
    lan = world.lan(2)
    for box in lan.boxes:
        box.serve(80)
    assert lan.boxes[0].reach(lan.public(1), 80) == str(lan.public(0))
    assert lan.boxes[0].reach(lan.public(0), 80) == str(lan.public(0))


def test_traffic_from_the_internet_meets_the_groups(world: World) -> None:
    here, there = world.lan(1), world.lan(1)
    for port in (80, 81):
        there.boxes[0].serve(port)
    source = IPv4Network(f"{here.public(0)}/32")
    rules = (
        FirewallRule("tcp", 80, 80, (source,)),
        FirewallRule("tcp", 81, 81, (IPv4Network("10.0.0.0/8"),)),
    )
    there.firewall(there.group("g", (0,), ingress=rules))
    assert here.boxes[0].reach(there.public(0), 80)
    assert here.boxes[0].reach(there.public(0), 81) is None


def test_without_an_internet_gateway_there_is_no_internet(world: World) -> None:
    here, there = world.lan(1), world.lan(1, internet=False)
    here.boxes[0].serve(80)
    there.boxes[0].serve(80)
    assert here.boxes[0].reach(there.public(0), 80) is None
    assert there.boxes[0].reach(here.public(0), 80) is None
    there.change(internet=there.picture.subnets)
    assert here.boxes[0].reach(there.public(0), 80)
    assert there.boxes[0].reach(here.public(0), 80)


@pytest.mark.parametrize("outward", [True, False])
def test_a_detached_gateway_ends_what_was_connected(world: World, outward: bool) -> None:
    here, there = world.lan(1), world.lan(1)
    client, server = (here, there) if outward else (there, here)
    server.boxes[0].serve(80, echo=True)
    with client.boxes[0].connect(server.public(0), 80) as old:
        assert old.recv(100)
        old.sendall(b"one")
        assert old.recv(100) == b"one"
        here.change(internet=())
        old.sendall(b"two")
        with pytest.raises(TimeoutError):
            old.recv(100)


def test_a_machine_without_public_address_has_no_internet(world: World) -> None:
    here, there = world.lan(1), world.lan(1)
    there.boxes[0].serve(80)
    here.port(0, public=None)
    assert here.boxes[0].reach(there.public(0), 80) is None


def test_a_public_address_moves_to_another_machine(world: World) -> None:
    lan, outside = world.lan(2), world.lan(1)
    address = lan.public(0)
    lan.boxes[0].serve(80, echo=True)
    with outside.boxes[0].connect(address, 80) as old:
        assert old.recv(100)
        lan.port(0, public=None)
        lan.port(1, public=address)
        assert outside.boxes[0].reach(address, 80) is None  # refused: nobody serves there
        lan.boxes[1].serve(80)
        assert outside.boxes[0].reach(address, 80)
        old.sendall(b"still you?")
        with pytest.raises(TimeoutError):
            old.recv(100)
    assert lan.boxes[1].reach(outside.public(0), 81) is None


def test_a_public_address_moves_to_another_network_in_either_order(world: World) -> None:
    one, two, outside = world.lan(1), world.lan(1), world.lan(1)
    address = one.public(0)
    for lan in (one, two):
        lan.boxes[0].serve(80)
    two.port(0, public=address)  # taken before the first lets it go
    one.port(0, public=None)
    two.boxes[0].serve(81)
    assert outside.boxes[0].reach(address, 81)
    two.port(0, public=None)
    one.port(0, public=address)
    assert outside.boxes[0].reach(address, 80)
    assert outside.boxes[0].reach(address, 81) is None


def test_networks_with_the_same_range_do_not_meet(world: World) -> None:
    one, two = world.lan(2), world.lan(2)
    assert one.address(1) == two.address(1)
    one.boxes[1].serve(80)
    two.boxes[1].serve(81)
    assert one.boxes[0].reach(one.address(1), 80)
    assert two.boxes[0].reach(two.address(1), 81)
    assert one.boxes[0].reach(one.address(1), 81) is None
    assert two.boxes[0].reach(two.address(1), 80) is None


def test_private_ranges_of_other_networks_are_not_routed(world: World) -> None:
    one, two = world.lan(1), world.lan(1, subnet="10.9.1.0/24")
    two.boxes[0].serve(80)
    assert one.boxes[0].reach(two.address(0), 80) is None
    assert not one.boxes[0].ping("8.8.8.8")
    assert not one.boxes[0].ping("169.254.0.2")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"cidr": IPv4Network("198.18.0.0/16")}, "overlaps"),
        ({"subnets": (IPv4Network("10.2.0.0/24"),)}, "outside"),
        ({"subnets": (IPv4Network("10.0.0.0/24"), IPv4Network("10.0.0.0/25"))}, "overlap"),
        (
            {"ports": (NetworkPort("m", IPv4Address("10.0.7.1"), "02:00:00:00:00:01"),)},
            "in no subnet",
        ),
    ],
)
def test_an_impossible_picture_is_refused_and_makes_nothing(
    world: World, change: dict[str, object], says: str
) -> None:
    good = {
        "id": "vpc",
        "cidr": IPv4Network("10.0.0.0/16"),
        "subnets": (IPv4Network("10.0.0.0/24"),),
    }
    with pytest.raises(FabricError, match=says):
        world.fabric.apply(NetworkPicture(**{**good, **change}))  # type: ignore[arg-type]
    with pytest.raises(FabricError, match="never applied"):
        world.fabric.holder("vpc")


def test_faults_of_a_link(world: World) -> None:
    lan = world.lan(2)
    a, b = lan.boxes
    world.fabric.cut(b.name, down=True)
    assert not a.ping(lan.address(1))
    lan.plug(0)
    world.fabric.cut(b.name, down=False)
    assert eventually(lambda: a.ping(lan.address(1)))
    for box in lan.boxes:
        world.fabric.isolate(box.name, isolated=True)
    assert not a.ping(lan.address(1))
    assert a.ping(OUTSIDE)
    for box in lan.boxes:
        world.fabric.isolate(box.name, isolated=False)
    world.fabric.lose(b.name, 100)
    assert not a.ping(lan.address(1))
    world.fabric.lose(b.name, 0)
    world.fabric.limit(b.name, 64)
    assert a.ping(lan.address(1))
    world.fabric.limit(b.name, None)
    assert a.ping(lan.address(1))


def test_a_lossy_link_loses_about_its_share(world: World) -> None:
    lan = world.lan(2)
    listener = lan.boxes[1].datagrams(9000)
    world.fabric.lose(lan.boxes[1].name, 30)
    with lan.boxes[0].datagrams(9001) as sender:
        for _ in range(200):
            sender.sendto(b"x", (str(lan.address(1)), 9000))
    heard = 0
    with contextlib.suppress(TimeoutError):
        while listener.recv(10):
            heard += 1
    assert 90 < heard < 185  # 140 +- 6.5: seven deviations


def test_a_cut_machine_stays_cut_when_it_restarts(world: World) -> None:
    lan = world.lan(2)
    world.fabric.cut(lan.boxes[1].name, down=True)
    lan.boxes[1].end()
    lan.boxes[1] = world.box(lan.boxes[1].name)
    lan.plug(1)
    assert not lan.boxes[0].ping(lan.address(1))
    world.fabric.cut(lan.boxes[1].name, down=False)
    assert eventually(lambda: lan.boxes[0].ping(lan.address(1)))


def test_a_machine_without_link_can_not_be_cut(world: World) -> None:
    with pytest.raises(FabricError, match="i-none has no link"):
        world.fabric.cut("i-none", down=True)
