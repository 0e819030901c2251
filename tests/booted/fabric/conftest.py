"""Builders for the fabric's tests: networks with stand-in machines, real namespaces, no image."""

import contextlib
import itertools
import select
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from typing import TypeVar

import pytest

from holdfast_sandbox.fabric import probe
from holdfast_sandbox.fabric.fabric import LinuxFabric
from holdfast_sandbox.fabric.namespace import inside
from holdfast_sandbox.ports import (
    Fabric,
    FirewallGroup,
    FirewallRule,
    MetadataAnswer,
    MetadataRequest,
    NetworkPicture,
    NetworkPort,
    Nic,
)

T = TypeVar("T")

ANYWHERE = (IPv4Network("0.0.0.0/0"),)
ALL = FirewallRule("all", peers=ANYWHERE)
PATIENCE = 0.4  # seconds until silence counts as a drop; the fabric answers in less than one ms

_pings = itertools.count(1)  # an id of its own: the firewall takes one that it knows for a reply


def eventually(fact: Callable[[], bool], seconds: float = 5) -> bool:
    """Whether it becomes true in time; a failed ARP request is repeated after one second."""
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Box:
    """A process in a network namespace of its own, as a machine is to the fabric."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.process = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo in; read -r forever"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "in\n"
        self._listeners: list[socket.socket] = []

    @property
    def pid(self) -> int:
        return self.process.pid

    def run(self, task: Callable[[], T]) -> T:
        return inside(self.pid, task)

    def sh(self, command: str) -> str:
        done = subprocess.run(
            ["nsenter", "--net", "-t", str(self.pid), "sh", "-c", command],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def serve(self, port: int, *, echo: bool = False) -> None:
        """Tell every client the address that it has from here; `echo` then repeats what it says."""
        listener = self.run(lambda: socket.create_server(("", port), backlog=300))
        self._listeners.append(listener)
        threading.Thread(target=self._accept, args=(listener, echo), daemon=True).start()

    def connect(self, address: object, port: int) -> socket.socket:
        return self.run(lambda: socket.create_connection((str(address), port), timeout=PATIENCE))

    def reach(self, address: object, port: int) -> str | None:
        """Who this box is to the server there; None when it can't be reached."""
        try:
            with self.connect(address, port) as connection:
                return connection.recv(100).decode()
        except OSError:
            return None

    def ping(self, address: object) -> bool:
        def knock() -> bool:
            with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
                head = struct.pack("!BBHHH", 8, 0, 0, next(_pings), 1)
                total = sum(struct.unpack("!4H", head))
                echo = head[:2] + struct.pack("!H", ~total & 0xFFFF) + head[4:]
                with contextlib.suppress(OSError):  # no route is an answer as well
                    raw.sendto(echo, (str(address), 0))
                while select.select([raw], [], [], PATIENCE)[0]:
                    packet = raw.recv(200)
                    if packet[20] == 0 and packet[12:16] == socket.inet_aton(str(address)):
                        return True
                return False

        return self.run(knock)

    def datagrams(self, port: int) -> socket.socket:
        def bind() -> socket.socket:
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            made.bind(("", port))
            made.settimeout(PATIENCE)
            return made

        listener = self.run(bind)
        self._listeners.append(listener)
        return listener

    def send_frame(self, frame: bytes) -> None:
        def send() -> None:
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
                raw.bind(("eth0", 0))
                raw.send(frame)

        self.run(send)

    def frames(self, kind: int) -> socket.socket:
        """Everything of one ether type that arrives."""
        sniffer = self.run(
            lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind))
        )
        sniffer.settimeout(PATIENCE)
        self._listeners.append(sniffer)
        return sniffer

    def end(self) -> None:
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.process.kill()
        self.process.communicate()

    @staticmethod
    def _accept(listener: socket.socket, echo: bool) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, peer = listener.accept()
                worker = threading.Thread(
                    target=_talk, args=(connection, peer[0], echo), daemon=True
                )
                worker.start()


def _talk(connection: socket.socket, peer: str, echo: bool) -> None:
    with connection, contextlib.suppress(OSError):
        connection.sendall(peer.encode())
        while echo and (heard := connection.recv(1000)):
            connection.sendall(heard)


@dataclass
class Lan:
    """A network of the fabric and its boxes; `number` makes its public addresses its own."""

    fabric: LinuxFabric
    picture: NetworkPicture
    subnet: IPv4Network
    number: int
    boxes: list[Box] = field(default_factory=list)

    def nic(self, index: int) -> Nic:
        port = self.picture.ports[index]
        return Nic(self.picture.id, port.mac, port.address, self.subnet)

    def address(self, index: int) -> IPv4Address:
        return self.picture.ports[index].address

    def public(self, index: int) -> IPv4Address:
        public = self.picture.ports[index].public
        assert public is not None
        return public

    def plug(self, index: int) -> None:
        self.fabric.plug(self.boxes[index].name, self.nic(index), self.boxes[index].pid)

    def group(
        self,
        name: str,
        members: tuple[int, ...],
        ingress: tuple[FirewallRule, ...] = (),
        egress: tuple[FirewallRule, ...] = (ALL,),
    ) -> FirewallGroup:
        return FirewallGroup(name, tuple(self.address(i) for i in members), ingress, egress)

    def firewall(self, *groups: FirewallGroup) -> None:
        self.change(groups=groups)

    def change(self, **fields: object) -> None:
        self.picture = replace(self.picture, **fields)  # type: ignore[arg-type]
        self.fabric.apply(self.picture)

    def port(self, index: int, **fields: object) -> None:
        """Change one port of the picture."""
        ports = list(self.picture.ports)
        ports[index] = replace(ports[index], **fields)  # type: ignore[arg-type]
        self.change(ports=tuple(ports))


@dataclass
class World:
    """A fabric whose metadata service tells the caller who it is."""

    fabric: LinuxFabric
    asked: list[MetadataRequest]
    names: dict[str, IPv4Address]
    undo: contextlib.ExitStack
    _count: int = 0

    def box(self, name: str) -> Box:
        box = Box(name)
        self.undo.callback(box.end)
        return box

    def lan(
        self, boxes: int = 2, name: str = "", subnet: str = "10.0.1.0/24", *, internet: bool = True
    ) -> Lan:
        """A network with boxes .10, .11, ... that may do anything until told otherwise."""
        self._count += 1
        number = self._count
        name = name or f"vpc-{number}"
        net = IPv4Network(subnet)
        ports = tuple(
            NetworkPort(
                machine=f"{name}-m{i}",
                address=net[10 + i],
                mac=f"02:00:00:00:{number:02x}:{i:02x}",
                public=IPv4Address(f"198.18.{number}.{10 + i}"),
            )
            for i in range(boxes)
        )
        cidr = net.supernet(new_prefix=16)
        picture = NetworkPicture(name, cidr, (net,), (net,) if internet else (), ports)
        lan = Lan(self.fabric, picture, net, number)
        lan.firewall(lan.group("open", tuple(range(boxes)), ingress=(ALL,)))
        for index, port in enumerate(ports):
            lan.boxes.append(self.box(port.machine))
            lan.plug(index)
        return lan


@pytest.fixture(scope="session")
def able() -> None:
    reason = probe.missing()
    if reason is not None:
        pytest.skip(f"fabric: {reason}")


@pytest.fixture
def world(able: None) -> Iterator[World]:
    asked: list[MetadataRequest] = []

    def whoami(request: MetadataRequest) -> MetadataAnswer:
        asked.append(request)
        hops = int(request.headers.get("x-hops", "1"))
        text = f"{request.network} {request.source} {request.method} {request.path}"
        return MetadataAnswer(200, text.encode() + request.body, {"X-Seen": "yes"}, hops)

    names: dict[str, IPv4Address] = {}
    with contextlib.ExitStack() as undo:
        fabric = undo.enter_context(LinuxFabric(whoami, names=names))
        as_port: Fabric = fabric  # the shape that the rest of the sandbox relies on
        assert as_port.proxy_url.startswith("http://127.0.0.1:")
        yield World(fabric, asked, names, undo)
