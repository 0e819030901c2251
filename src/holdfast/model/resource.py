"""What can exist in a cloud for a cluster: small immutable things and memberships.

    Network <- Subnet <- VirtualMachine <- AddressBinding -> Address
       ^         ^             |
       |   RouteAssociation    +-> FirewallGroup <- FirewallRule
       |         v             +-> MachineRole
       +-- RouteTable <- Route -> Gateway <- GatewayAttachment -> Network

A thing is never changed: one that differs is replaced; a membership (attachment, route, rule,
binding) is a thing of its own, so that replacing it is cheap. Arrows are `needs`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network
from types import MappingProxyType

from holdfast.model.ids import MachineId, ResourceName
from holdfast.model.names import cloud_of
from holdfast.model.offering import Cloud, OfferingKey


class Role(StrEnum):
    """What a machine is in Kubernetes."""

    CONTROL_PLANE = "control-plane"
    WORKER = "worker"


@dataclass(frozen=True, slots=True)
class Network:
    """A virtual network of one cluster in one region."""

    name: ResourceName
    cidr: IPv4Network


@dataclass(frozen=True, slots=True)
class Gateway:
    """The way to and from the internet."""

    name: ResourceName


@dataclass(frozen=True, slots=True)
class GatewayAttachment:
    """A gateway serves a network."""

    name: ResourceName
    gateway: ResourceName
    network: ResourceName


@dataclass(frozen=True, slots=True)
class Subnet:
    """A part of a network in one zone."""

    name: ResourceName
    network: ResourceName
    zone: str
    cidr: IPv4Network


@dataclass(frozen=True, slots=True)
class RouteTable:
    """Routes for the subnets that are associated with it."""

    name: ResourceName
    network: ResourceName


@dataclass(frozen=True, slots=True)
class Route:
    """Everything outside the network leaves through the gateway (0.0.0.0/0)."""

    name: ResourceName
    table: ResourceName
    gateway: ResourceName


@dataclass(frozen=True, slots=True)
class RouteAssociation:
    """A subnet uses a route table."""

    name: ResourceName
    table: ResourceName
    subnet: ResourceName


@dataclass(frozen=True, slots=True)
class FirewallGroup:
    """Machines that share firewall rules: a security group, a network tag."""

    name: ResourceName
    network: ResourceName


class Direction(StrEnum):
    """Seen from the machine."""

    INGRESS = "ingress"
    EGRESS = "egress"


@dataclass(frozen=True, slots=True)
class FirewallRule:
    """Allows traffic to or from the machines of `group`.

    `protocol` is tcp, udp, icmp or all (ports then 0 and 0). The peer is either a CIDR or the
    machines of another group.
    """

    name: ResourceName
    group: ResourceName
    direction: Direction
    protocol: str
    from_port: int
    to_port: int
    peer: IPv4Network | ResourceName


@dataclass(frozen=True, slots=True)
class Address:
    """A reserved public address; the users' endpoint of the control plane."""

    name: ResourceName


@dataclass(frozen=True, slots=True)
class AddressBinding:
    """A reserved address leads to a machine."""

    name: ResourceName
    address: ResourceName
    machine: ResourceName


@dataclass(frozen=True, slots=True)
class MachineRole:
    """The identity that machines of one role have towards the cloud: no rights beyond its own."""

    name: ResourceName
    role: Role


@dataclass(frozen=True, slots=True)
class VirtualMachine:
    """A machine as the cloud is asked for it; all of it was chosen and saved before."""

    name: ResourceName
    machine: MachineId
    hostname: str
    role: Role
    offering: OfferingKey
    image: str
    disk_gib: int
    subnet: ResourceName
    groups: tuple[ResourceName, ...]
    machine_role: ResourceName


@dataclass(frozen=True, slots=True)
class ChallengeTag:
    """A one-time word on a machine, where the cloud signs nothing: only the machine reads it."""

    name: ResourceName
    machine: ResourceName


Resource = (
    Network
    | Gateway
    | GatewayAttachment
    | Subnet
    | RouteTable
    | Route
    | RouteAssociation
    | FirewallGroup
    | FirewallRule
    | Address
    | AddressBinding
    | MachineRole
    | VirtualMachine
    | ChallengeTag
)


# A second create call of these makes a second thing: the cloud takes no key for them and their
# names need not be unique. Everything else is refused, replayed or harmless when asked twice.
DOUBLED_BY_REPEAT: Mapping[Cloud, frozenset[type]] = MappingProxyType(
    {
        Cloud.AWS: frozenset({Network, Gateway, RouteTable, Address}),
        Cloud.GCP: frozenset(),
        Cloud.AZURE: frozenset(),
        Cloud.DO: frozenset({VirtualMachine, Address}),
    }
)


# Clouds that sign no word about their machines: these answer a challenge at first contact.
CHALLENGED = frozenset({Cloud.DO})


def is_doubled_by_repeat(resource: Resource) -> bool:
    """True when a second create call would make a second one, in the cloud where it lives."""
    return type(resource) in DOUBLED_BY_REPEAT[cloud_of(resource.name)]


def zone_of(resource: Resource) -> str:
    """The zone that a thing is in; empty for what serves all zones."""
    match resource:
        case Subnet():
            return resource.zone
        case VirtualMachine():
            return resource.offering.zone
        case _:
            return ""


def kind(resource: Resource) -> str:
    """The word for people, events and tables: "virtual machine", "firewall rule"."""
    words = "".join(f" {c.lower()}" if c.isupper() else c for c in type(resource).__name__)
    return words.strip()


def needs(resource: Resource) -> frozenset[ResourceName]:  # noqa: C901, PLR0911  (one line a kind)
    """The names of the things that must be there before this one can be made."""
    match resource:
        case Network() | Gateway() | Address() | MachineRole():
            return frozenset()
        case Subnet() | RouteTable() | FirewallGroup():
            return frozenset({resource.network})
        case GatewayAttachment():
            return frozenset({resource.gateway, resource.network})
        case Route():
            return frozenset({resource.table, resource.gateway})
        case RouteAssociation():
            return frozenset({resource.table, resource.subnet})
        case FirewallRule():
            peer = () if isinstance(resource.peer, IPv4Network) else (resource.peer,)
            return frozenset({resource.group, *peer})
        case AddressBinding():
            return frozenset({resource.address, resource.machine})
        case ChallengeTag():
            return frozenset({resource.machine})
        case VirtualMachine():
            return frozenset({resource.subnet, resource.machine_role, *resource.groups})
