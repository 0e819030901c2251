"""The lines of `ip` that make bridges, machine links and the pairs between namespaces. Pure."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

from holdfast_sandbox.fabric import names
from holdfast_sandbox.ports import Nic

MTU = 1500


def bridge(network: str) -> list[str]:
    """The bridge of a network, before it has a subnet, and loopback."""
    return [
        "link set lo up",
        f"link add {names.BRIDGE} address {names.bridge_mac(network)} mtu {MTU} type bridge "
        "stp_state 0 forward_delay 0 mcast_snooping 0",
        f"link set {names.BRIDGE} up",
        f"address add {names.METADATA}/32 dev {names.BRIDGE}",
    ]


def gateways(before: Iterable[IPv4Network], after: Iterable[IPv4Network]) -> list[str]:
    """From one set of subnets to another: the bridge carries the first address of each."""
    old, new = set(before), set(after)
    gone = [f"address del {_gateway(net)} dev {names.BRIDGE}" for net in sorted(old - new)]
    return gone + [
        f"address replace {_gateway(net)} dev {names.BRIDGE}" for net in sorted(new - old)
    ]


def _gateway(subnet: IPv4Network) -> str:
    return f"{subnet.network_address + 1}/{subnet.prefixlen}"


def port(machine: str, nic: Nic, pid: int) -> list[str]:
    """In the network: a link whose other end is `eth0` of process `pid`.

    The neighbour entry is permanent, so the gateway never asks and never overflows a table.
    """
    link = names.port_link(machine)
    return [
        f"link add {link} mtu {MTU} type veth "
        f"peer name eth0 address {nic.mac} mtu {MTU} netns {pid}",
        f"link set {link} master {names.BRIDGE} up",
        f"neigh replace {nic.address} lladdr {nic.mac} dev {names.BRIDGE} nud permanent",
    ]


def port_removal(machine: str, address: IPv4Address) -> list[str]:
    """Undo `port`; each line may fail when its thing is gone already."""
    link = names.port_link(machine)
    return [f"link del {link}", f"neigh del {address} dev {names.BRIDGE}"]


def machine(nic: Nic) -> list[str]:
    """In the machine: its one link, ready to use."""
    return [
        "link set lo up",
        f"address add {nic.address}/{nic.subnet.prefixlen} dev eth0",
        "link set eth0 up",
        f"route add default via {nic.gateway} dev eth0",
    ]


def internet() -> list[str]:
    """The internet namespace before any network has joined it."""
    return ["link set lo up", f"address add {names.OUTSIDE}/32 dev lo"]


def joint(number: int, pid: int) -> list[str]:
    """In the internet: the pair to network `number`, whose namespace `pid` holds."""
    link = names.internet_link(number)
    here, _ = names.link_ends(number)
    return [
        f"link add {link} mtu {MTU} type veth peer name {names.UPLINK} mtu {MTU} netns {pid}",
        f"address add {here}/31 dev {link}",
        f"link set {link} up",
    ]


def uplink(number: int) -> list[str]:
    """In the network: its end of the pair; public addresses are all that lies behind it."""
    there, here = names.link_ends(number)
    return [
        f"address add {here}/31 dev {names.UPLINK}",
        f"link set {names.UPLINK} up",
        f"route add {names.PUBLIC} via {there} dev {names.UPLINK}",
    ]


def public_routes_added(number: int, public: Iterable[IPv4Address]) -> list[str]:
    """In the internet: these public addresses lie behind network `number`.

    `replace`, because an address may move here before its old network lets it go.
    """
    link = names.internet_link(number)
    _, there = names.link_ends(number)
    return [
        f"route replace {address}/32 via {there} dev {link} src {names.OUTSIDE}"
        for address in sorted(public)
    ]


def public_routes_removed(number: int, public: Iterable[IPv4Address]) -> list[str]:
    """In the internet: these no longer do; each line may fail, the address may have moved on."""
    link = names.internet_link(number)
    return [f"route del {address}/32 dev {link}" for address in sorted(public)]
