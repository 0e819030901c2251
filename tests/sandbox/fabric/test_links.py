"""Names, addresses and lines of `ip`."""

from ipaddress import IPv4Address, IPv4Network

from holdfast_sandbox.fabric import links, names
from holdfast_sandbox.fabric.announce import announcement
from holdfast_sandbox.fabric.faults import HEALTHY, LinkFault, loss_rules, shaping
from holdfast_sandbox.ports import Nic

ONE, TWO, THREE = (IPv4Network(f"10.0.{n}.0/24") for n in (1, 2, 3))


def test_link_names_fit_the_kernel_and_differ() -> None:
    made = {names.port_link(f"i-0123456789abcde{n:02x}") for n in range(200)}
    assert len(made) == 200
    assert all(len(name) <= 15 and name.isalnum() for name in made)
    assert names.port_link("i-1") == names.port_link("i-1")
    assert len(names.internet_link(names.MOST_NETWORKS)) <= 15


def test_bridge_macs_are_fixed_local_and_unicast() -> None:
    mac = names.bridge_mac("vpc-1")
    assert mac == names.bridge_mac("vpc-1") != names.bridge_mac("vpc-2")
    assert mac.startswith("02:")
    assert len(mac) == 17


def test_link_ends_never_meet_the_metadata_address() -> None:
    last = names.link_ends(names.MOST_NETWORKS)
    assert names.link_ends(1) == (IPv4Address("169.254.0.2"), IPv4Address("169.254.0.3"))
    assert all(end in names.LINKS for end in last)
    assert names.METADATA not in names.LINKS
    assert names.METADATA in names.LINK_LOCAL


def test_only_changed_subnets_move_gateways() -> None:
    assert links.gateways((ONE, TWO), (TWO, THREE)) == [
        "address del 10.0.1.1/24 dev br0",
        "address replace 10.0.3.1/24 dev br0",
    ]
    assert links.gateways((ONE, TWO), (TWO, ONE)) == []


def test_public_routes_come_from_the_outside_address() -> None:
    address = IPv4Address("198.18.9.9")
    assert links.public_routes_added(3, [address]) == [
        "route replace 198.18.9.9/32 via 169.254.0.7 dev w3 src 198.18.0.1"
    ]
    assert links.public_routes_removed(3, [address]) == ["route del 198.18.9.9/32 dev w3"]


def test_an_announcement_is_a_gratuitous_arp_request() -> None:
    nic = Nic("vpc", "02:00:00:00:00:05", ONE[10], ONE)
    frame = announcement(nic, bytes.fromhex("0211111111ff"))
    assert frame.hex() == (
        "ffffffffffff" "0211111111ff" "0806"
        "0001" "0800" "06" "04" "0001"
        "020000000005" "0a00010a" "000000000000" "0a00010a"
    )  # fmt: skip


def test_loss_spares_arp_and_healthy_links() -> None:
    script = loss_rules({"a": LinkFault(loss=30), "b": HEALTHY, "c": LinkFault(loss=100)})
    assert f'"{names.port_link("a")}" ether type ip numgen random mod 100 < 30 drop' in script
    assert names.port_link("b") not in script
    assert f'"{names.port_link("c")}" ether type ip drop' in script


def test_bandwidth_changes_only_when_it_changes() -> None:
    slow = LinkFault(kbit=500)
    assert shaping("a", HEALTHY, LinkFault(down=True)) == []
    assert shaping("a", slow, slow) == []
    assert "500kbit" in shaping("a", HEALTHY, slow)[0]
    assert shaping("a", slow, HEALTHY)[0][:3] == ["tc", "qdisc", "del"]
