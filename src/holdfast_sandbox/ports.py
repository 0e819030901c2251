"""The seams inside the sandbox: what a cloud emulator asks of machines and of the fabric.

    cloud emulator (aws/)  --MachineSpec-->  Machines (machines/)   boots and ends VMs
           |                                     |  plugs the VM's link
           +---------------NetworkPicture--> Fabric  (fabric/)      links, firewall, NAT, proxy
           ^                                     |
           +---------MetadataAnswer--------------+                  169.254.169.254

Values only; no part imports another part but through this file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Nic:
    """The one network link of a machine. `gateway` is the first address of its subnet."""

    network: str
    mac: str
    address: IPv4Address
    subnet: IPv4Network

    @property
    def gateway(self) -> IPv4Address:
        """Where the machine's default route points to."""
        return self.subnet.network_address + 1


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """A virtual machine to boot. `memory_mib` and `cpus` are what its kubelet shall see."""

    id: str
    hostname: str
    nic: Nic
    cpus: int
    memory_mib: int


class MachineState(StrEnum):
    """What the host knows of a machine, apart from what the cloud says of it."""

    BOOTING = "booting"
    RUNNING = "running"
    FROZEN = "frozen"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class MachineStatus:
    """A machine on this host. `pid` is its PID 1 as the host sees it, None when it is gone."""

    id: str
    state: MachineState
    pid: int | None = None
    reason: str = ""


class Machines(Protocol):
    """Boots, freezes and ends machines. Every method blocks and MUST be called off the event loop.

    A machine that ends by itself is reported through the `ended` callable given at construction.
    """

    def create(self, spec: MachineSpec) -> None:
        """Boot; returns when the machine's init has taken over. Raises BootFailed with a reason."""
        ...

    def destroy(self, machine_id: str) -> None:
        """End a machine and remove all that it had. MUST accept one that is gone already."""
        ...

    def kill(self, machine_id: str) -> None:
        """Fault: end its processes at once and keep its disk, as a host failure does."""
        ...

    def freeze(self, machine_id: str) -> None:
        """Fault: stop its processes without ending them; the link is cut by the fabric."""
        ...

    def thaw(self, machine_id: str) -> None:
        """Undo `freeze`."""
        ...

    def reboot(self, machine_id: str) -> None:
        """Stop and start with the same disk, address and MAC."""
        ...

    def execute(self, machine_id: str, command: list[str], timeout: float = 30) -> tuple[int, str]:
        """Run a command inside; returns its exit code and its output. For tests and diagnosis."""
        ...

    def console(self, machine_id: str) -> str:
        """The console log so far, at most its last 64 KiB; kept until `destroy`."""
        ...

    def status(self) -> Mapping[str, MachineStatus]:
        """Every machine of this host by id."""
        ...


class BootFailed(Exception):
    """The machine did not reach its init; the message says why."""


@dataclass(frozen=True, slots=True)
class FirewallRule:
    """One allowed kind of traffic. Ports are inclusive; for ICMP and `all` they are ignored.

    `peers` are CIDRs, `peer_groups` ids of groups whose members' private addresses are meant.
    """

    protocol: str  # tcp | udp | icmp | all
    from_port: int = 0
    to_port: int = 65535
    peers: tuple[IPv4Network, ...] = ()
    peer_groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FirewallGroup:
    """A security group: members by private address, stateful, allow rules only."""

    id: str
    members: tuple[IPv4Address, ...]
    ingress: tuple[FirewallRule, ...]
    egress: tuple[FirewallRule, ...]


@dataclass(frozen=True, slots=True)
class NetworkPort:
    """A link that may send from `address` with `mac` only, unless `source_check` is off."""

    machine: str
    address: IPv4Address
    mac: str
    source_check: bool = True
    public: IPv4Address | None = None


@dataclass(frozen=True, slots=True)
class NetworkPicture:
    """A virtual network as the cloud API holds it now; applied as a whole, idempotently.

    `internet` holds the subnets whose route table leads to an attached internet gateway: only
    their ports have working public addresses and reach the sandbox internet.
    """

    id: str
    cidr: IPv4Network
    subnets: tuple[IPv4Network, ...] = ()
    internet: tuple[IPv4Network, ...] = ()
    ports: tuple[NetworkPort, ...] = ()
    groups: tuple[FirewallGroup, ...] = ()


@dataclass(frozen=True, slots=True)
class MetadataRequest:
    """A request that a machine sent to 169.254.169.254:80. Header names are lower-case."""

    network: str
    source: IPv4Address
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class MetadataAnswer:
    """What the metadata service says. `hops` is the IP TTL of the answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    hops: int = 1


MetadataService = Callable[[MetadataRequest], MetadataAnswer]


class Fabric(Protocol):
    """Networks without an uplink. Every method blocks and MUST be called off the event loop."""

    def apply(self, picture: NetworkPicture) -> None:
        """Make or change a network: namespace, bridge, firewall, NAT, anti-spoofing, metadata."""
        ...

    def remove(self, network: str) -> None:
        """Remove a network. MUST accept one that is gone already."""
        ...

    def plug(self, machine: str, nic: Nic, pid: int) -> None:
        """Give the network namespace of process `pid` its eth0 in the network `nic` names.

        Replaces an older link of the same machine. Sets address, MAC, MTU and default route.
        """
        ...

    def unplug(self, machine: str) -> None:
        """Remove a machine's link. MUST accept one that is gone already."""
        ...

    def cut(self, machine: str, *, down: bool) -> None:
        """Fault: take the machine's link down, or up again."""
        ...

    def expose(self, address: IPv4Address, port: int, target: tuple[str, int]) -> None:
        """Make a loopback server of the host reachable at a public sandbox address."""
        ...

    def withdraw(self, address: IPv4Address, port: int) -> None:
        """Undo `expose`."""
        ...

    @property
    def proxy_url(self) -> str:
        """The CONNECT proxy on loopback through which the host reaches public addresses."""
        ...

    def close(self) -> None:
        """Remove everything."""
        ...
