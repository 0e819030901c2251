"""Every address and name that the fabric gives to its own things."""

from hashlib import blake2s
from ipaddress import IPv4Address, IPv4Network

PUBLIC = IPv4Network("198.18.0.0/15")
"""All public addresses of the sandbox (RFC 2544); nothing else is routed between networks."""

OUTSIDE = IPv4Address("198.18.0.1")
"""Where connections of the CONNECT proxy come from, as machines and firewall rules see them."""

METADATA = IPv4Address("169.254.169.254")

LINK_LOCAL = IPv4Network("169.254.0.0/16")
LINKS = IPv4Network("169.254.0.0/17")
"""Both ends of the veth pairs between networks and the internet: no cloud lets a virtual network
use link-local addresses, so they can't clash with one, and METADATA lies outside."""

BRIDGE = "br0"
UPLINK = "wan"
MOST_NETWORKS = LINKS.num_addresses // 2 - 1


def port_link(machine: str) -> str:
    """The network's end of a machine's link; 13 characters of the kernel's 15, the same always."""
    return "v" + blake2s(machine.encode()).hexdigest()[:12]


def bridge_mac(network: str) -> str:
    """A fixed, locally administered MAC for a bridge, so that neighbours stay valid."""
    digest = blake2s(network.encode()).digest()[:5]
    return ":".join(f"{octet:02x}" for octet in (0x02, *digest))


def internet_link(number: int) -> str:
    """The internet's end of the pair that leads to network `number`."""
    return f"w{number}"


def link_ends(number: int) -> tuple[IPv4Address, IPv4Address]:
    """Addresses of the pair to network `number` (from 1): the internet's end, the network's."""
    return LINKS[2 * number], LINKS[2 * number + 1]
