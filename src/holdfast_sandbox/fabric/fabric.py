"""The fabric of this host: all networks, the internet between them, the proxy in."""

import contextlib
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from types import MappingProxyType, TracebackType
from typing import Self

from holdfast_sandbox.fabric import sockets
from holdfast_sandbox.fabric.errors import FabricError
from holdfast_sandbox.fabric.faults import LinkFault
from holdfast_sandbox.fabric.internet import Internet
from holdfast_sandbox.fabric.loop import ServerLoop
from holdfast_sandbox.fabric.namespace import Keeper
from holdfast_sandbox.fabric.network import Network, Surroundings
from holdfast_sandbox.fabric.proxy import ConnectProxy
from holdfast_sandbox.fabric.server import TcpServer
from holdfast_sandbox.ports import MetadataService, NetworkPicture, Nic

NO_NAMES: Mapping[str, IPv4Address] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Plugged:
    network: str
    address: IPv4Address


class LinuxFabric:
    """`ports.Fabric` by network namespaces, veth pairs, bridges and nft; needs root.

    metadata    asked for every request to 169.254.169.254:80; called on a worker thread
    names       what the machines' resolver and the proxy know; read at each question, may change
    proxy_port  of the CONNECT proxy on 127.0.0.1; 0 takes a free one

    Methods may be called from any thread and run one at a time. All that the fabric makes dies
    with this process, also by SIGKILL.
    """

    def __init__(
        self,
        metadata: MetadataService,
        *,
        names: Mapping[str, IPv4Address] = NO_NAMES,
        proxy_port: int = 0,
    ) -> None:
        self._lock = threading.RLock()
        self._networks: dict[str, Network] = {}
        self._plugged: dict[str, _Plugged] = {}
        with contextlib.ExitStack() as undo:
            door = _door(proxy_port)
            undo.callback(door.close)
            loop = ServerLoop()
            undo.callback(loop.close)
            keeper = Keeper()
            undo.callback(keeper.close)
            self._internet = Internet(keeper, loop)
            undo.callback(self._internet.close)
            proxy = TcpServer(door, ConnectProxy(self._internet.space, names).talk)
            loop.call(proxy.start())
            undo.callback(lambda: loop.call(proxy.stop()))
            self._around = Surroundings(keeper, loop, self._internet, metadata, names)
            self._proxy_url = f"http://127.0.0.1:{door.getsockname()[1]}"
            self._undo = undo.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def proxy_url(self) -> str:
        """The CONNECT proxy; it reaches 198.18.0.0/15, from 198.18.0.1."""
        return self._proxy_url

    def holder(self, network: str) -> int:
        """The process in a network's namespace, to look in with `nsenter -n -t`."""
        with self._lock:
            return self._network(network).pid

    def apply(self, picture: NetworkPicture) -> None:
        """See `ports.Fabric`. Raises FabricError and changes nothing for an impossible picture."""
        with self._lock:
            network = self._networks.get(picture.id)
            if network is not None:
                return network.apply(picture)
            network = Network(picture.id, self._around)
            try:
                network.apply(picture)
            except BaseException:
                network.close()
                raise
            self._networks[picture.id] = network
            return None

    def remove(self, network: str) -> None:
        """See `ports.Fabric`. Machines that are still plugged lose their link."""
        with self._lock:
            found = self._networks.pop(network, None)
            if found is not None:
                self._plugged = {m: p for m, p in self._plugged.items() if p.network != network}
                found.close()

    def plug(self, machine: str, nic: Nic, pid: int) -> None:
        """See `ports.Fabric`. Raises FabricError for an unknown network or a dead process."""
        with self._lock:
            network = self._network(nic.network)
            older = self._plugged.pop(machine, None)
            if older is not None:
                self._network(older.network).unplug(machine, older.address)
            network.plug(machine, nic, pid)
            self._plugged[machine] = _Plugged(nic.network, nic.address)

    def unplug(self, machine: str) -> None:
        """See `ports.Fabric`. Faults of the link end with it."""
        with self._lock:
            plugged = self._plugged.pop(machine, None)
            if plugged is not None:
                network = self._network(plugged.network)
                network.unplug(machine, plugged.address)
                network.forget(machine)

    def cut(self, machine: str, *, down: bool) -> None:
        """See `ports.Fabric`. A cut lasts through `plug`. Raises FabricError without a link."""
        self._change(machine, down=down)

    def isolate(self, machine: str, *, isolated: bool) -> None:
        """Fault: no traffic between this and other isolated machines of the network."""
        self._change(machine, isolated=isolated)

    def lose(self, machine: str, percent: int) -> None:
        """Fault: drop this share of the packets towards a machine; 0 ends it."""
        if not 0 <= percent <= 100:
            raise FabricError(f"loss of {percent} percent at {machine}")
        self._change(machine, loss=percent)

    def limit(self, machine: str, kbit: int | None) -> None:
        """Fault: bandwidth towards a machine in kbit/s; None ends it."""
        if kbit is not None and kbit < 1:
            raise FabricError(f"bandwidth of {kbit} kbit/s at {machine}")
        self._change(machine, kbit=kbit)

    def expose(self, address: IPv4Address, port: int, target: tuple[str, int]) -> None:
        """See `ports.Fabric`. Raises FabricError for an address or target that may not be."""
        with self._lock:
            self._internet.expose(address, port, target)

    def withdraw(self, address: IPv4Address, port: int) -> None:
        """See `ports.Fabric`. Connections through it end."""
        with self._lock:
            self._internet.withdraw(address, port)

    def close(self) -> None:
        """See `ports.Fabric`. May be called again."""
        with self._lock, self._undo:
            for network in list(self._networks):
                self.remove(network)

    def _network(self, name: str) -> Network:
        try:
            return self._networks[name]
        except KeyError as error:
            raise FabricError(f"network {name} was never applied") from error

    def _change(self, machine: str, **fields: bool | int | None) -> None:
        with self._lock:
            plugged = self._plugged.get(machine)
            if plugged is None:
                raise FabricError(f"machine {machine} has no link")
            network = self._network(plugged.network)
            fault: LinkFault = replace(network.fault(machine), **fields)  # type: ignore[arg-type]
            network.set_fault(machine, fault)


def _door(port: int) -> socket.socket:
    try:
        return sockets.bound(socket.SOCK_STREAM, "127.0.0.1", port)
    except OSError as error:
        raise FabricError(f"proxy on 127.0.0.1:{port}: {error.strerror}") from error
