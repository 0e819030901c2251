"""The nft ruleset of one network: security groups, 1:1 NAT and anti-spoofing. Pure.

    bridge prerouting  who may send what: port . MAC . address; marks the packet with its port
    ip prerouting      from the internet: public address -> private
    ip forward -10     egress: groups of the sending port (by mark), or from the internet
    ip forward 0       ingress: groups of the receiving address, or to the internet
    ip postrouting     to the internet: private -> public

A packet must be accepted by both forward chains: `accept` ends one base chain only, `drop` is
final. Bridged frames pass the ip hooks because bridge-nf-call-iptables is 1 in the namespace.
Sets hold members, so the ruleset grows with rules plus members and never with pairs of machines.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, collapse_addresses

from holdfast_sandbox.fabric.errors import FabricError
from holdfast_sandbox.fabric.names import BRIDGE, METADATA, PUBLIC, UPLINK, port_link
from holdfast_sandbox.fabric.picture import bound
from holdfast_sandbox.ports import FirewallGroup, FirewallRule, NetworkPicture, NetworkPort

# Base chains stay, with their hooks, through every change: a packet always meets either the old
# rules or the new ones.
SKELETON = """\
table bridge fabric {
  chain guard { type filter hook prerouting priority dstnat; policy drop; }
}
table ip fabric {
  chain prerouting { type nat hook prerouting priority dstnat; policy accept; }
  chain input { type filter hook input priority filter; policy drop; }
  chain egress { type filter hook forward priority -10; policy drop; }
  chain ingress { type filter hook forward priority filter; policy drop; }
  chain postrouting { type nat hook postrouting priority srcnat; policy accept; }
}
flush table bridge fabric
flush table ip fabric
"""


@dataclass(frozen=True, slots=True)
class Ruleset:
    """What is loaded now: definitions in nft's language, and the names to delete before others."""

    text: str
    chains: tuple[str, ...]
    sets: tuple[str, ...]
    maps: tuple[str, ...]


def transaction(wanted: Ruleset, loaded: Ruleset | None) -> str:
    """The script that replaces what is loaded by what is wanted, in one step."""
    removals: list[str] = []
    if loaded is not None:
        removals += [f"delete chain {name}\n" for name in loaded.chains]
        removals += [f"delete set {name}\n" for name in loaded.sets]
        removals += [f"delete map {name}\n" for name in loaded.maps]
    return SKELETON + "".join(removals) + wanted.text


def ruleset(picture: NetworkPicture) -> Ruleset:
    """All rules of a network. Raises FabricError for a protocol or port range that can't be."""
    numbers = {group.id: number for number, group in enumerate(ordered(picture.groups))}
    chains = [f"ip fabric g{number}_{way}" for number in numbers.values() for way in ("in", "out")]
    sets = [f"ip fabric g{number}{kind}" for number in numbers.values() for kind in ("", "_ports")]
    return Ruleset(
        text=_guard(picture.ports) + _firewall(picture, numbers),
        chains=tuple(chains),
        sets=("bridge fabric owners", "bridge fabric routers", "ip fabric bound", *sets),
        maps=("bridge fabric marks", "ip fabric to_private", "ip fabric to_public"),
    )


def ordered(groups: Iterable[FirewallGroup]) -> Sequence[FirewallGroup]:
    """Groups in the order that names their sets."""
    return sorted(groups, key=lambda group: group.id)


def mark(address: IPv4Address) -> str:
    """The packet mark that stands for a port: its address as a number."""
    return f"0x{int(address):08x}"


def _guard(ports: Sequence[NetworkPort]) -> str:
    owners = [f'"{port_link(p.machine)}" . {p.mac} . {p.address}' for p in ports]
    routers = [f'"{port_link(p.machine)}" . {p.mac}' for p in ports if not p.source_check]
    marks = [f'"{port_link(p.machine)}" : {mark(p.address)}' for p in ports]
    # Neither IPv6 nor VLAN frames pass: no security group would see them.
    return f"""\
table bridge fabric {{
{_set("owners", "ifname . ether_addr . ipv4_addr", owners)}\
{_set("routers", "ifname . ether_addr", routers)}\
{_set("marks", "ifname : mark", marks, kind="map")}\
  chain guard {{
    iifname . ether saddr . arp saddr ip @owners \
iifname . arp saddr ether . arp saddr ip @owners accept
    iifname . ether saddr . ip saddr @owners meta mark set iifname map @marks accept
    ether type ip iifname . ether saddr @routers meta mark set iifname map @marks accept
  }}
}}
"""


def _firewall(picture: NetworkPicture, numbers: Mapping[str, int]) -> str:
    groups = ordered(picture.groups)
    pairs = sorted(bound(picture).items())
    out = "".join(f"    meta mark @g{n}_ports jump g{n}_out\n" for n in range(len(groups)))
    into = "".join(f"    ip daddr @g{n} jump g{n}_in\n" for n in range(len(groups)))
    # Established connections are looked at again where they cross the uplink: an address that was
    # taken from a machine, or an internet gateway that was detached, ends them at once.
    return f"""\
table ip fabric {{
{_set("to_private", "ipv4_addr : ipv4_addr", [f"{p} : {q}" for p, q in pairs], kind="map")}\
{_set("to_public", "ipv4_addr : ipv4_addr", [f"{q} : {p}" for p, q in pairs], kind="map")}\
{_set("bound", "ipv4_addr . ipv4_addr", [f"{p} . {q}" for p, q in pairs])}\
{"".join(_group_sets(group, numbers[group.id]) for group in groups)}\
{"".join(_group_chains(group, numbers) for group in groups)}\
  chain prerouting {{
    iifname "{UPLINK}" dnat to ip daddr map @to_private
  }}
  chain input {{
    ct state established,related accept
    iifname "{BRIDGE}" ip daddr {METADATA} tcp dport {{ 53, 80 }} accept
    iifname "{BRIDGE}" ip daddr {METADATA} udp dport 53 accept
  }}
  chain egress {{
    iifname "{UPLINK}" ct direction original ct original ip daddr . ip daddr != @bound drop
    iifname "{UPLINK}" ct direction reply ct reply ip daddr . ip daddr != @bound drop
    ct state established,related accept
    iifname "{UPLINK}" accept
{out}\
  }}
  chain ingress {{
    oifname "{UPLINK}" ct direction reply ct original ip daddr . ip saddr != @bound drop
    oifname "{UPLINK}" ct direction original ct state established \
ct reply ip daddr . ip saddr != @bound drop
    oifname "{UPLINK}" ip daddr != {PUBLIC} drop
    oifname "{UPLINK}" ip saddr != {_anonymous(q for _, q in pairs)} drop
    ct state established,related accept
    oifname "{UPLINK}" accept
{into}\
  }}
  chain postrouting {{
    oifname "{UPLINK}" snat to ip saddr map @to_public
  }}
}}
"""


def _group_sets(group: FirewallGroup, number: int) -> str:
    members = sorted(set(group.members))
    return _set(f"g{number}", "ipv4_addr", [str(member) for member in members]) + _set(
        f"g{number}_ports", "mark", [mark(member) for member in members]
    )


def _group_chains(group: FirewallGroup, numbers: Mapping[str, int]) -> str:
    number = numbers[group.id]
    into = "".join(f"    {line}\n" for r in group.ingress for line in _rule(r, "saddr", numbers))
    out = "".join(f"    {line}\n" for r in group.egress for line in _rule(r, "daddr", numbers))
    return f"  chain g{number}_in {{\n{into}  }}\n  chain g{number}_out {{\n{out}  }}\n"


def _rule(rule: FirewallRule, side: str, numbers: Mapping[str, int]) -> list[str]:
    """One line for the CIDRs of a rule, one for each group that it names.

    A group that isn't in the picture has no members, so it matches nothing.
    """
    what = _traffic(rule)
    lines = []
    if rule.peers:
        networks = _anonymous(collapse_addresses(rule.peers))
        lines.append(f"ip {side} {networks} {what} accept")
    known = [numbers[peer] for peer in rule.peer_groups if peer in numbers]
    lines += [f"ip {side} @g{number} {what} accept" for number in known]
    return lines


def _traffic(rule: FirewallRule) -> str:
    match rule.protocol:
        case "all":
            return ""
        case "icmp":
            return "ip protocol icmp"
        case "tcp" | "udp":
            if not 0 <= rule.from_port <= rule.to_port <= 65535:
                ports = f"{rule.from_port}-{rule.to_port}"
                raise FabricError(f"firewall rule for {rule.protocol} has the port range {ports}")
            return f"{rule.protocol} dport {rule.from_port}-{rule.to_port}"
        case unknown:
            raise FabricError(f"firewall rule for protocol {unknown!r}: tcp, udp, icmp or all")


def _set(name: str, of: str, elements: Sequence[str], kind: str = "set") -> str:
    content = f"elements = {{ {', '.join(elements)} }}; " if elements else ""
    return f"  {kind} {name} {{ type {of}; {content}}}\n"


def _anonymous(elements: Iterable[object]) -> str:
    # nft knows no empty anonymous set; 0.0.0.0 is the address of nobody.
    return f"{{ {', '.join(map(str, elements)) or '0.0.0.0'} }}"
