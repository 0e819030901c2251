"""One virtual network: its namespace, bridge, ruleset and the servers at 169.254.169.254."""

import asyncio
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address

from holdfast_sandbox.fabric import faults, links, picture, rules
from holdfast_sandbox.fabric.announce import announce
from holdfast_sandbox.fabric.commands import ip, ip_tolerant, nft, run
from holdfast_sandbox.fabric.dns import DnsOverTcp, DnsOverUdp, Names
from holdfast_sandbox.fabric.faults import HEALTHY, LinkFault
from holdfast_sandbox.fabric.internet import Internet
from holdfast_sandbox.fabric.loop import ServerLoop
from holdfast_sandbox.fabric.metadata import MetadataServer
from holdfast_sandbox.fabric.names import METADATA
from holdfast_sandbox.fabric.namespace import Keeper, Namespace, inside, write_sysctl
from holdfast_sandbox.fabric.server import TcpServer
from holdfast_sandbox.ports import MetadataService, NetworkPicture, Nic


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every network is given by the fabric that it belongs to."""

    keeper: Keeper
    loop: ServerLoop
    internet: Internet
    metadata: MetadataService
    names: Names


class Network:
    """Methods block, and only one of them runs at a time: the fabric holds its lock."""

    def __init__(self, name: str, around: Surroundings) -> None:
        self._around = around
        self._picture: NetworkPicture | None = None
        self._loaded: rules.Ruleset | None = None
        self._addresses: frozenset[IPv4Address] = frozenset()
        self._servers: list[TcpServer] = []
        self._resolver: asyncio.DatagramTransport | None = None
        self._faults: dict[str, LinkFault] = {}
        self._number: int | None = None
        self._space = Namespace(name, around.keeper)
        try:
            self._space.run(lambda: _build(name))
            self._number = around.internet.join(self._space.pid)
            number = self._number
            self._space.run(lambda: ip(*links.uplink(number)))
            self._serve(name)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The process that holds the namespace."""
        return self._space.pid

    def apply(self, wanted: NetworkPicture) -> None:
        """Bring bridge, ruleset and public routes from the last picture to this one."""
        if wanted == self._picture:
            return
        picture.check(wanted)
        ruleset = rules.ruleset(wanted)
        public = picture.bound(wanted).keys()
        self._around.internet.check_free(public)
        before = self._picture.subnets if self._picture else ()
        moves = links.gateways(before, wanted.subnets)
        if ruleset != self._loaded:
            script = rules.transaction(ruleset, self._loaded)
            self._space.run(lambda: nft(script))
            self._loaded = ruleset
        if moves:
            self._space.run(lambda: ip(*moves))
        assert self._number is not None
        self._around.internet.route(self._number, public)
        self._addresses = frozenset(port.address for port in wanted.ports)
        self._picture = wanted

    def plug(self, machine: str, nic: Nic, pid: int) -> None:
        """Make the link; a fault that was set on it before stays. Raises FabricError."""
        try:
            self._space.run(lambda: ip(*links.port(machine, nic, pid)))
            inside(pid, lambda: ip(*links.machine(nic)))
            self._space.run(lambda: announce(nic))
        except BaseException:
            self.unplug(machine, nic.address)
            raise
        fault = self._faults.get(machine, HEALTHY)
        if fault != HEALTHY:
            self._set(machine, HEALTHY, fault)

    def unplug(self, machine: str, address: IPv4Address) -> None:
        """Remove the link, whichever parts of it are left."""
        self._space.run(lambda: ip_tolerant(*links.port_removal(machine, address)))

    def fault(self, machine: str) -> LinkFault:
        """What is wrong with a link now."""
        return self._faults.get(machine, HEALTHY)

    def set_fault(self, machine: str, fault: LinkFault) -> None:
        """Bring a link into this state. Raises FabricError when the link is gone."""
        before = self.fault(machine)
        self._faults[machine] = fault
        self._set(machine, before, fault)

    def forget(self, machine: str) -> None:
        """Drop the faults of a machine that will not come back."""
        if self._faults.pop(machine, HEALTHY).loss:
            self._space.run(lambda: nft(faults.loss_rules(self._faults)))

    def close(self) -> None:
        """Remove all of it; links, rules and routes go with the namespace."""
        self._around.loop.call(self._stop())
        if self._number is not None:
            self._around.internet.leave(self._number)
        self._space.close()

    def _set(self, machine: str, before: LinkFault, after: LinkFault) -> None:
        def change() -> None:
            ip(*faults.link_lines(machine, after))
            for command in faults.shaping(machine, before, after):
                run(command)
            if before.loss != after.loss:
                nft(faults.loss_rules(self._faults))

        self._space.run(change)

    def _serve(self, name: str) -> None:
        metadata = MetadataServer(name, self._around.metadata, lambda who: who in self._addresses)
        resolver = DnsOverTcp(self._around.names)
        for port, talk in ((80, metadata.talk), (53, resolver.talk)):
            bound = self._space.listen(socket.SOCK_STREAM, str(METADATA), port)
            self._servers.append(TcpServer(bound, talk))
        datagrams = self._space.listen(socket.SOCK_DGRAM, str(METADATA), 53)
        self._around.loop.call(self._start(datagrams))

    async def _start(self, datagrams: socket.socket) -> None:
        for server in self._servers:
            await server.start()
        self._resolver, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: DnsOverUdp(self._around.names), sock=datagrams
        )

    async def _stop(self) -> None:
        for server in self._servers:
            await server.stop()
        if self._resolver is not None:
            self._resolver.close()


def _build(name: str) -> None:
    ip(*links.bridge(name))
    # Bridged frames must meet the ip hooks: that is where security groups are enforced.
    write_sysctl("bridge/bridge-nf-call-iptables", "1")
    write_sysctl("bridge/bridge-nf-call-arptables", "0")
    write_sysctl("bridge/bridge-nf-call-ip6tables", "0")
