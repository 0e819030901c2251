"""Security groups, NAT and anti-spoofing, tried with real packets."""

import contextlib
import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network

import pytest
from tests.booted.fabric.conftest import ALL, ANYWHERE, Lan, World

from holdfast_sandbox.ports import FirewallRule

pytestmark = [pytest.mark.booted, pytest.mark.enable_socket]

SO_RCVBUFFORCE = 33  # asm-generic/socket.h; Python has no name for it
PING = FirewallRule("icmp", peers=ANYWHERE)


def tcp(
    port: int, peers: tuple[IPv4Network, ...] = ANYWHERE, *, groups: tuple[str, ...] = ()
) -> FirewallRule:
    return FirewallRule("tcp", port, port, () if groups else peers, groups)


def test_a_machine_in_no_group_neither_sends_nor_receives(world: World) -> None:
    lan = world.lan()
    a, b = lan.boxes
    b.serve(80)
    assert a.reach(lan.address(1), 80) == str(lan.address(0))
    lan.firewall(lan.group("only-a", (0,), ingress=(ALL,)))
    assert a.reach(lan.address(1), 80) is None
    a.serve(81)
    assert b.reach(lan.address(0), 81) is None


def test_an_open_port_is_reached_and_a_closed_one_is_not(world: World) -> None:
    lan = world.lan()
    a, b = lan.boxes
    for port in (80, 81, 82):
        b.serve(port)
    lan.firewall(lan.group("g", (0, 1), ingress=(FirewallRule("tcp", 80, 81, ANYWHERE),)))
    reached = [a.reach(lan.address(1), port) is not None for port in (80, 81, 82)]
    assert reached == [True, True, False]
    assert not a.ping(lan.address(1))


def test_a_rule_counts_only_for_its_sources(world: World) -> None:
    lan = world.lan(3)
    lan.boxes[2].serve(80)
    only_first = (IPv4Network(f"{lan.address(0)}/32"),)
    lan.firewall(lan.group("g", (0, 1, 2), ingress=(tcp(80, only_first),)))
    assert lan.boxes[0].reach(lan.address(2), 80)
    assert lan.boxes[1].reach(lan.address(2), 80) is None


def test_a_group_reference_follows_the_members(world: World) -> None:
    lan = world.lan(3)
    lan.boxes[2].serve(80)

    def firewall(*members: int) -> None:
        lan.firewall(
            lan.group("clients", members),
            lan.group("others", (0, 1)),
            lan.group("servers", (2,), ingress=(tcp(80, groups=("clients", "no-such-group")),)),
        )

    firewall(0)
    assert lan.boxes[0].reach(lan.address(2), 80)
    assert lan.boxes[1].reach(lan.address(2), 80) is None
    firewall(1)
    assert lan.boxes[0].reach(lan.address(2), 80) is None
    assert lan.boxes[1].reach(lan.address(2), 80)


def test_a_removed_rule_stops_new_connections_and_keeps_old_ones(world: World) -> None:
    lan = world.lan()
    lan.boxes[1].serve(80, echo=True)
    with lan.boxes[0].connect(lan.address(1), 80) as old:
        assert old.recv(100)
        lan.firewall(lan.group("g", (0, 1)))
        assert lan.boxes[0].reach(lan.address(1), 80) is None
        old.sendall(b"still there?")
        assert old.recv(100) == b"still there?"


def test_replies_need_no_rule(world: World) -> None:
    lan = world.lan()
    lan.boxes[1].serve(80)
    listener = lan.boxes[1].datagrams(8472)
    lan.firewall(
        lan.group("client", (0,)),
        lan.group(
            "server", (1,), ingress=(tcp(80), FirewallRule("udp", 8472, 8472, ANYWHERE)), egress=()
        ),
    )
    assert lan.boxes[0].reach(lan.address(1), 80)
    client = lan.boxes[0].datagrams(5000)
    client.sendto(b"question", (str(lan.address(1)), 8472))
    _, source = listener.recvfrom(100)
    listener.sendto(b"reply", source)
    assert client.recv(100) == b"reply"


def test_egress_rules_count_too(world: World) -> None:
    lan = world.lan()
    for port in (80, 81):
        lan.boxes[1].serve(port)
    lan.firewall(
        lan.group("client", (0,), egress=(tcp(80, groups=("server",)),)),
        lan.group("server", (1,), ingress=(ALL,)),
    )
    assert lan.boxes[0].reach(lan.address(1), 80)
    assert lan.boxes[0].reach(lan.address(1), 81) is None


def test_groups_of_a_machine_add_up(world: World) -> None:
    lan = world.lan()
    for port in (80, 81):
        lan.boxes[1].serve(port)
    lan.firewall(
        lan.group("a", (0, 1), ingress=(tcp(80),)),
        lan.group("b", (1,), ingress=(tcp(81),), egress=()),
    )
    assert lan.boxes[0].reach(lan.address(1), 80)
    assert lan.boxes[0].reach(lan.address(1), 81)


def test_ping_needs_a_rule(world: World) -> None:
    lan = world.lan()
    lan.firewall(lan.group("g", (0, 1), ingress=(PING,)))
    assert lan.boxes[0].ping(lan.address(1))
    lan.firewall(lan.group("g", (0, 1), ingress=(tcp(80),)))
    assert not lan.boxes[0].ping(lan.address(1))


def test_subnets_of_a_network_reach_each_other_under_the_same_rules(world: World) -> None:
    lan = world.lan(2)
    near, far = lan.subnet, IPv4Network("10.0.2.0/24")
    lan.change(subnets=(near, far), internet=(near, far))
    lan.port(1, address=far[10])
    lan.firewall(lan.group("g", (0, 1), ingress=(tcp(80, groups=("g",)),)))
    lan.subnet = far
    lan.boxes[1] = world.box(lan.boxes[1].name)
    lan.plug(1)
    for port in (80, 81):
        lan.boxes[1].serve(port)
    assert lan.boxes[0].reach(far[10], 80) == str(near[10])
    assert lan.boxes[0].reach(far[10], 81) is None


def test_a_change_of_the_picture_loses_no_packet(world: World) -> None:
    lan = world.lan(2)
    listener = lan.boxes[1].datagrams(9000)
    listener.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16_000_000)
    target = (str(lan.address(1)), 9000)
    done = threading.Event()

    def send_new_flows() -> int:
        sent = 0
        while not done.is_set():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flow:
                flow.sendto(b"x", target)
            sent += 1
        return sent

    groups = lan.picture.groups
    other = lan.group("other", (0, 1), ingress=(PING,))
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(lan.boxes[0].run, send_new_flows)
        for _ in range(10):
            lan.firewall(*groups, other)
            lan.firewall(*groups)
        done.set()
        sent = sending.result()
    heard = 0
    with contextlib.suppress(TimeoutError):
        while listener.recv(10):
            heard += 1
    assert sent > 100
    assert heard == sent


def ip_frame(lan: Lan, *, source: IPv4Address, mac: str | None = None) -> bytes:
    """A UDP datagram "spoof" to port 9000 of the second box."""
    target = lan.picture.ports[1]
    payload = struct.pack("!4H", 9000, 9000, 8 + 5, 0) + b"spoof"
    head = struct.pack(
        "!BBHHHBBH4s4s",
        0x45,
        0,
        20 + len(payload),
        1,
        0,
        64,
        17,
        0,
        source.packed,
        target.address.packed,
    )
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    head = head[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + head[12:]
    return (
        packed(target.mac) + packed(mac or lan.picture.ports[0].mac) + b"\x08\x00" + head + payload
    )


def packed(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def arrives(listener: socket.socket) -> bool:
    """Whether a frame or datagram of ours comes; others may come before it."""
    with contextlib.suppress(TimeoutError):
        while True:
            if b"spoof" in listener.recv(1000):
                return True
    return False


def test_packets_with_a_false_address_or_mac_are_dropped(world: World) -> None:
    lan = world.lan()
    sender, listener = lan.boxes[0], lan.boxes[1].datagrams(9000)
    sender.send_frame(ip_frame(lan, source=lan.address(0)))
    assert arrives(listener)
    sender.send_frame(ip_frame(lan, source=lan.subnet[99]))
    assert not arrives(listener)
    sender.send_frame(ip_frame(lan, source=lan.address(0), mac="02:00:00:00:99:99"))
    assert not arrives(listener)


def test_without_source_check_other_addresses_pass_but_no_other_mac(world: World) -> None:
    lan = world.lan()
    sender, listener = lan.boxes[0], lan.boxes[1].datagrams(9000)
    lan.port(0, source_check=False)
    sender.send_frame(ip_frame(lan, source=lan.subnet[99]))
    assert arrives(listener)
    sender.send_frame(ip_frame(lan, source=lan.subnet[99], mac="02:00:00:00:99:99"))
    assert not arrives(listener)
    # The groups of the sending port count, whatever address it sends from.
    lan.firewall(lan.group("mute", (0,), egress=()), lan.group("open", (1,), ingress=(ALL,)))
    sender.send_frame(ip_frame(lan, source=lan.subnet[98]))
    assert not arrives(listener)


@pytest.mark.parametrize("source_check", [True, False])
def test_nobody_answers_arp_for_another(world: World, source_check: bool) -> None:
    lan = world.lan()
    lan.port(0, source_check=source_check)
    own, other = lan.picture.ports
    sniffer = lan.boxes[1].frames(0x0806)

    def claim(address: IPv4Address) -> bool:
        reply = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2) + packed(own.mac) + address.packed
        reply += packed(other.mac) + other.address.packed
        lan.boxes[0].send_frame(
            packed(other.mac) + packed(own.mac) + b"\x08\x06" + reply + b"spoof"
        )
        return arrives(sniffer)

    assert claim(own.address)
    assert not claim(lan.subnet[1])


def test_only_ipv4_passes(world: World) -> None:
    lan = world.lan()
    macs = packed(lan.picture.ports[1].mac) + packed(lan.picture.ports[0].mac)
    for kind in (0x86DD, 0x8100):
        sniffer = lan.boxes[1].frames(kind)
        lan.boxes[0].send_frame(macs + kind.to_bytes(2, "big") + b"spoof" * 20)
        assert not arrives(sniffer)
