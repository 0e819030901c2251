"""The sandbox internet: the namespace that joins the networks and routes public addresses only."""

import socket
from collections.abc import Iterable
from ipaddress import IPv4Address

from holdfast_sandbox.fabric import links
from holdfast_sandbox.fabric.commands import ip, ip_tolerant
from holdfast_sandbox.fabric.errors import FabricError
from holdfast_sandbox.fabric.expose import Forwarder, check_exposure
from holdfast_sandbox.fabric.loop import ServerLoop
from holdfast_sandbox.fabric.names import MOST_NETWORKS, internet_link
from holdfast_sandbox.fabric.namespace import Keeper, Namespace
from holdfast_sandbox.fabric.server import TcpServer


class Internet:
    """Knows which public address lies behind which network, and which leads to the host."""

    def __init__(self, keeper: Keeper, loop: ServerLoop) -> None:
        self._loop = loop
        self._routes: dict[int, frozenset[IPv4Address]] = {}
        self._exposed: dict[tuple[IPv4Address, int], TcpServer] = {}
        self.space = Namespace("internet", keeper)
        self.space.run(lambda: ip(*links.internet()))

    def join(self, pid: int) -> int:
        """Join the network whose namespace `pid` holds; returns the number of its pair."""
        number = next((n for n in range(1, MOST_NETWORKS + 1) if n not in self._routes), None)
        if number is None:
            raise FabricError(f"no more than {MOST_NETWORKS} networks at a time")
        self.space.run(lambda: ip(*links.joint(number, pid)))
        self._routes[number] = frozenset()
        return number

    def leave(self, number: int) -> None:
        """Remove the pair to a network; its routes go with it."""
        self.space.run(lambda: ip_tolerant(f"link del {internet_link(number)}"))
        self._routes.pop(number, None)

    def route(self, number: int, public: Iterable[IPv4Address]) -> None:
        """Lead exactly these public addresses to a network; one may come from another network."""
        wanted = frozenset(public)
        had = self._routes[number]
        gone = links.public_routes_removed(number, had - wanted)
        if gone:
            self.space.run(lambda: ip_tolerant(*gone))
        new = links.public_routes_added(number, wanted - had)
        if new:
            self.space.run(lambda: ip(*new))
        for other, addresses in self._routes.items():
            self._routes[other] = addresses - wanted
        self._routes[number] = wanted

    def check_free(self, public: Iterable[IPv4Address]) -> None:
        """Raises FabricError when one of the addresses leads to the host."""
        exposed = {address for address, _ in self._exposed}
        for address in public:
            if address in exposed:
                raise FabricError(f"public address {address} is exposed for a server of the host")

    def expose(self, address: IPv4Address, port: int, target: tuple[str, int]) -> None:
        """Listen at a public address for a loopback server; replaces an older target."""
        check_exposure(address, target)
        if any(address in addresses for addresses in self._routes.values()):
            raise FabricError(f"{address} can't be exposed: a machine has it")
        self.withdraw(address, port)
        if not any(address == other for other, _ in self._exposed):
            self.space.run(lambda: ip(f"address replace {address}/32 dev lo"))
        try:
            bound = self.space.listen(socket.SOCK_STREAM, str(address), port)
        except FabricError:
            self._release(address)
            raise
        server = TcpServer(bound, Forwarder(target).talk)
        self._loop.call(server.start())
        self._exposed[address, port] = server

    def withdraw(self, address: IPv4Address, port: int) -> None:
        """Stop listening and end what was connected. Accepts one that is gone already."""
        server = self._exposed.pop((address, port), None)
        if server is not None:
            self._loop.call(server.stop())
            self._release(address)

    def close(self) -> None:
        """Remove the namespace and all that listens in it."""
        for address, port in list(self._exposed):
            self.withdraw(address, port)
        self.space.close()

    def _release(self, address: IPv4Address) -> None:
        if not any(address == other for other, _ in self._exposed):
            self.space.run(lambda: ip_tolerant(f"address del {address}/32 dev lo"))
