"""The nft ruleset as text; what it does to packets is tried in tests/booted/fabric."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from holdfast_sandbox.fabric.errors import FabricError
from holdfast_sandbox.fabric.names import port_link
from holdfast_sandbox.fabric.rules import mark, ruleset, transaction
from holdfast_sandbox.ports import FirewallGroup, FirewallRule, NetworkPicture, NetworkPort

NET = IPv4Network("10.0.0.0/16")
SUBNET = IPv4Network("10.0.1.0/24")
ANYWHERE = (IPv4Network("0.0.0.0/0"),)


def a_picture(machines: int = 2, groups: tuple[FirewallGroup, ...] = ()) -> NetworkPicture:
    ports = tuple(
        NetworkPort(
            machine=f"i-{n}",
            address=SUBNET[10 + n],
            mac=f"02:00:00:00:00:{n:02x}",
            public=IPv4Address(f"198.18.7.{n}"),
        )
        for n in range(machines)
    )
    return NetworkPicture("vpc", NET, (SUBNET,), (SUBNET,), ports, groups)


def a_group(
    *ingress: FirewallRule, name: str = "sg-1", members: tuple[IPv4Address, ...] = (SUBNET[10],)
) -> FirewallGroup:
    return FirewallGroup(name, members, ingress, ())


def lines_of(chain: str, text: str) -> list[str]:
    body = text.split(f"  chain {chain} {{\n", 1)[1].split("  }\n", 1)[0]
    return [line.strip() for line in body.splitlines()]


@pytest.mark.parametrize(
    ("rule", "lines"),
    [
        (FirewallRule("tcp", 22, 22, ANYWHERE), ["ip saddr { 0.0.0.0/0 } tcp dport 22-22 accept"]),
        (FirewallRule("udp", 1, 9, ANYWHERE), ["ip saddr { 0.0.0.0/0 } udp dport 1-9 accept"]),
        (FirewallRule("icmp", 5, 1, ANYWHERE), ["ip saddr { 0.0.0.0/0 } ip protocol icmp accept"]),
        (FirewallRule("all", 7, 7, ANYWHERE), ["ip saddr { 0.0.0.0/0 }  accept"]),
        (FirewallRule("tcp", 1, 2), []),
        (FirewallRule("tcp", 1, 2, (), ("sg-unknown",)), []),
        (FirewallRule("tcp", 1, 2, (), ("sg-1",)), ["ip saddr @g0 tcp dport 1-2 accept"]),
        (
            FirewallRule("tcp", 1, 2, (NET, SUBNET, IPv4Network("10.9.0.0/16")), ("sg-1",)),
            [
                "ip saddr { 10.0.0.0/16, 10.9.0.0/16 } tcp dport 1-2 accept",
                "ip saddr @g0 tcp dport 1-2 accept",
            ],
        ),
    ],
)
def test_a_firewall_rule_becomes_these_lines(rule: FirewallRule, lines: list[str]) -> None:
    text = ruleset(a_picture(groups=(a_group(rule),))).text
    assert lines_of("g0_in", text) == lines
    assert lines_of("g0_out", text) == []


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (FirewallRule("sctp", 1, 2, ANYWHERE), "'sctp'"),
        (FirewallRule("tcp", 9, 1, ANYWHERE), "9-1"),
        (FirewallRule("udp", 0, 65536, ANYWHERE), "0-65536"),
        (FirewallRule("tcp", -1, 5, ANYWHERE), "-1-5"),
    ],
)
def test_a_rule_that_can_not_be_is_named(rule: FirewallRule, says: str) -> None:
    with pytest.raises(FabricError, match=says):
        ruleset(a_picture(groups=(a_group(rule),)))


def test_a_port_may_send_from_its_own_link_mac_and_address_only() -> None:
    picture = a_picture(1)
    text = ruleset(picture).text
    link = port_link("i-0")
    assert f'elements = {{ "{link}" . 02:00:00:00:00:00 . 10.0.1.10 }}' in text
    assert f'"{link}" : 0x0a00010a' in text
    assert mark(SUBNET[10]) == "0x0a00010a"
    assert "set routers { type ifname . ether_addr; }" in text
    router = replace(picture, ports=(replace(picture.ports[0], source_check=False),))
    assert f'routers {{ type ifname . ether_addr; elements = {{ "{link}"' in ruleset(router).text


def test_only_subnets_with_a_gateway_are_translated() -> None:
    picture = a_picture(1)
    assert "elements = { 198.18.7.0 : 10.0.1.10 }" in ruleset(picture).text
    without = ruleset(replace(picture, internet=())).text
    assert "198.18.7.0" not in without
    assert 'oifname "wan" ip saddr != { 0.0.0.0 } drop' in without


def test_the_order_of_groups_changes_nothing() -> None:
    one, two = a_group(name="sg-1"), a_group(FirewallRule("all", peers=ANYWHERE), name="sg-2")
    assert ruleset(a_picture(groups=(one, two))) == ruleset(a_picture(groups=(two, one)))


def test_the_ruleset_grows_with_machines_and_not_with_pairs() -> None:
    def size(machines: int) -> int:
        members = tuple(SUBNET[10 + n] for n in range(machines))
        rules = tuple(FirewallRule("tcp", n, n, (), ("a", "b")) for n in range(20))
        groups = tuple(FirewallGroup(name, members, rules, rules) for name in ("a", "b"))
        return len(ruleset(a_picture(machines, groups)).text)

    small, middle, large = size(50), size(100), size(200)
    assert large - middle == pytest.approx(2 * (middle - small), rel=0.1)
    assert large < 100_000


def test_a_transaction_deletes_what_is_loaded_and_nothing_else() -> None:
    old = ruleset(a_picture(groups=(a_group(name="a"), a_group(name="b"))))
    new = ruleset(a_picture(groups=(a_group(name="a"),)))
    assert "delete" not in transaction(new, None)
    script = transaction(new, old)
    deleted = [line for line in script.splitlines() if line.startswith("delete")]
    assert "delete chain ip fabric g1_in" in deleted
    assert "delete set ip fabric g1_ports" in deleted
    assert len(deleted) == len(old.chains) + len(old.sets) + len(old.maps)
    # Rules go before what they refer to, and base chains are never deleted.
    assert script.index("flush table ip fabric") < script.index("delete ")
    assert not any("gress" in line for line in deleted)


def test_every_name_that_is_defined_is_deleted_by_the_next_transaction() -> None:
    rules = ruleset(a_picture(groups=(a_group(name="a"), a_group(name="b"))))
    words = [line.split() for line in rules.text.splitlines()]
    named = {(line[0], line[1]) for line in words if line[0] in {"set", "map"}}
    deletable = {("set", name.split()[-1]) for name in rules.sets}
    deletable |= {("map", name.split()[-1]) for name in rules.maps}
    assert named == deletable
