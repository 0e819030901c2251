"""The servers around the networks: metadata, names, the proxy in, the call-back out."""

import asyncio
import socket
import subprocess
import threading
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest
from tests.booted.fabric.conftest import Box, World

from holdfast_sandbox.fabric import proxy, server
from holdfast_sandbox.fabric.errors import FabricError
from holdfast_sandbox.fabric.names import OUTSIDE

pytestmark = [pytest.mark.booted, pytest.mark.enable_socket]

METADATA = "169.254.169.254"
CALL_BACK = IPv4Address("198.18.0.2")


def ask(box: Box, method: str = "GET", headers: str = "", *, patience: float = 1) -> str:
    """A whole exchange with the metadata service; empty when no answer came."""

    def exchange() -> str:
        with socket.create_connection((METADATA, 80), timeout=patience) as connection:
            request = (
                f"{method} /latest/x HTTP/1.1\r\nHost: m\r\n{headers}Connection: close\r\n\r\n"
            )
            connection.sendall(request.encode())
            heard = b""
            try:
                while part := connection.recv(4096):
                    heard += part
            except TimeoutError:
                pass
            return heard.decode()

    return box.run(exchange)


def test_metadata_knows_a_machine_by_its_address_and_network(world: World) -> None:
    one, two = world.lan(2), world.lan(1)
    assert ask(one.boxes[1]).endswith(f"vpc-1 {one.address(1)} GET /latest/x")
    assert ask(two.boxes[0]).endswith(f"vpc-2 {two.address(0)} GET /latest/x")
    assert "X-Seen: yes" in ask(two.boxes[0], "PUT", "X-Forwarded-For: 1.2.3.4\r\n")
    assert world.asked[-1].headers["x-forwarded-for"] == "1.2.3.4"
    assert world.asked[-1].source == two.address(0)


def test_metadata_needs_no_security_group(world: World) -> None:
    lan = world.lan(1)
    lan.firewall()
    assert ask(lan.boxes[0]).startswith("HTTP/1.1 200 OK\r\n")


def test_nothing_else_of_the_gateway_answers(world: World) -> None:
    lan = world.lan(1)
    assert lan.boxes[0].reach(METADATA, 22) is None
    assert lan.boxes[0].reach(lan.subnet[1], 80) is None


def test_a_pod_behind_the_node_does_not_get_an_answer_with_hop_limit_one(world: World) -> None:
    lan = world.lan(1)
    node, pod = lan.boxes[0], world.box("pod")
    node.sh(
        f"ip link add veth0 type veth peer name eth0 netns {pod.pid}; "
        "ip addr add 10.244.0.1/24 dev veth0; ip link set veth0 up; "
        "nsenter -n -t $$ sysctl -qw net.ipv4.ip_forward=1; "
        'nft "table ip n { chain p { type nat hook postrouting priority srcnat; '
        'oifname eth0 masquerade; }; }"'
    )
    pod.sh(
        "ip link set eth0 up; ip addr add 10.244.0.2/24 dev eth0; "
        "ip route add default via 10.244.0.1"
    )
    assert ask(pod, "PUT", "X-Hops: 1\r\n") == ""
    assert world.asked[-1].method == "PUT"  # it was asked, and its answer died on the way
    assert ask(pod, "PUT", "X-Hops: 2\r\n").startswith("HTTP/1.1 200 OK")
    assert ask(node, "PUT", "X-Hops: 1\r\n").startswith("HTTP/1.1 200 OK")


def test_names_are_denied_at_once_or_known(world: World) -> None:
    lan = world.lan(1)
    world.names["api.sandbox"] = CALL_BACK

    def resolve(name: str) -> str:
        program = f"""
import socket, struct
def query(send):
    labels = b"".join(bytes([len(p)]) + p.encode() for p in {name!r}.split("."))
    head, tail = struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0), struct.pack("!2H", 1, 1)
    return send(head + labels + b"\\0" + tail)
def udp(message):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(1)
    s.sendto(message, ("{METADATA}", 53)); return s.recv(500)
def tcp(message):
    s = socket.create_connection(("{METADATA}", 53), timeout=1)
    s.sendall(struct.pack("!H", len(message)) + message); return s.recv(500)[2:]
one, two = query(udp), query(tcp)
assert one == two, (one, two)
print(one[3] & 15, ".".join(map(str, one[-4:])))
"""
        return lan.boxes[0].sh(f"python3 -c '{program.replace(chr(39), chr(34))}'")

    assert resolve("api.sandbox") == f"0 {CALL_BACK}\n"
    assert resolve("archive.example").startswith("3 ")


@pytest.fixture
def echo() -> Iterator[int]:
    """An echo server on the host's loopback, as the platform is one; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            try:
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=_echo, args=(connection,), daemon=True).start()
            except OSError:
                return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _echo(connection: socket.socket) -> None:
    with connection:
        while heard := connection.recv(65536):
            connection.sendall(heard)


def connect(world: World, target: str, method: str = "CONNECT") -> tuple[socket.socket, str]:
    """A connection to the proxy after its answer to one request."""
    port = int(world.fabric.proxy_url.rsplit(":", 1)[1])
    connection = socket.create_connection(("127.0.0.1", port), timeout=15)
    connection.sendall(f"{method} {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    return connection, connection.recv(4096).decode()


def refusal(world: World, target: str, method: str = "CONNECT") -> str:
    connection, answer = connect(world, target, method)
    connection.close()
    return answer


def test_the_proxy_reaches_a_public_address_as_a_stranger(world: World) -> None:
    lan = world.lan(1)
    lan.boxes[0].serve(6443, echo=True)
    world.names["api.sandbox"] = lan.public(0)
    for host in (str(lan.public(0)), "api.sandbox"):
        connection, answer = connect(world, f"{host}:6443")
        with connection:
            assert answer.startswith("HTTP/1.1 200 ")
            heard = answer.split("\r\n\r\n", 1)[1] or connection.recv(100).decode()
            assert heard == str(OUTSIDE)
            connection.sendall(b"hello")
            assert connection.recv(100) == b"hello"
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(100) == b""


def test_the_proxy_meets_the_security_groups(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "CONNECT_TIMEOUT", 0.3)
    lan = world.lan(1)
    lan.boxes[0].serve(6443)
    lan.firewall(lan.group("closed", (0,)))
    answer = refusal(world, f"{lan.public(0)}:6443")
    assert answer.startswith("HTTP/1.1 504 ")
    assert "did not answer in 0 s (no machine, or a firewall)" in answer


@pytest.mark.parametrize(
    ("target", "method", "status"),
    [
        ("127.0.0.1:22", "CONNECT", 403),
        ("10.0.1.10:6443", "CONNECT", 403),
        ("169.254.169.254:80", "CONNECT", 403),
        ("localhost:22", "CONNECT", 403),
        ("[::1]:22", "CONNECT", 403),
        ("198.18.1.10", "CONNECT", 400),
        ("198.18.1.10:0", "CONNECT", 400),
        ("198.18.1.10:70000", "CONNECT", 400),
        ("http://198.18.1.10/", "GET", 405),
        ("198.18.1.10:81", "CONNECT", 502),
        ("198.19.9.9:80", "CONNECT", 502),
    ],
)
def test_the_proxy_refuses_with_a_sentence(
    world: World, target: str, method: str, status: int
) -> None:
    world.lan(1)
    answer = refusal(world, target, method)
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert "sandbox proxy: " in answer


def test_the_proxy_carries_hundreds_of_streams(world: World) -> None:
    lan = world.lan(1)
    lan.boxes[0].serve(6443, echo=True)
    port = int(world.fabric.proxy_url.rsplit(":", 1)[1])
    head = f"CONNECT {lan.public(0)}:6443 HTTP/1.1\r\n\r\n".encode()

    async def stream(number: int, gate: asyncio.Barrier) -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head)
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(len(str(OUTSIDE)))
        await gate.wait()  # all are open now
        text = f"stream {number}".encode()
        writer.write(text)
        same = await reader.readexactly(len(text)) == text
        writer.close()
        await writer.wait_closed()
        return same

    async def all_of_them() -> list[bool]:
        gate = asyncio.Barrier(200)
        return await asyncio.gather(*(stream(n, gate) for n in range(200)))

    assert all(asyncio.run(asyncio.wait_for(all_of_them(), 60)))


def test_a_silent_stream_to_a_dead_machine_ends(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(server.KEEPALIVE, socket.TCP_KEEPIDLE, 1)
    monkeypatch.setitem(server.KEEPALIVE, socket.TCP_KEEPINTVL, 1)
    monkeypatch.setitem(server.KEEPALIVE, socket.TCP_KEEPCNT, 1)
    monkeypatch.setitem(server.KEEPALIVE, socket.TCP_USER_TIMEOUT, 1000)
    lan = world.lan(1)
    lan.boxes[0].serve(6443, echo=True)
    connection, answer = connect(world, f"{lan.public(0)}:6443")
    with connection:
        assert answer.startswith("HTTP/1.1 200 ")
        world.fabric.cut(lan.boxes[0].name, down=True)
        while connection.recv(100):  # the greeting may still come; then the end
            pass


def test_a_machine_calls_back_to_a_loopback_server(world: World, echo: int) -> None:
    lan = world.lan(1)
    world.fabric.expose(CALL_BACK, 443, ("127.0.0.1", echo))
    big = bytes(range(256)) * 4096
    with lan.boxes[0].connect(CALL_BACK, 443) as connection:
        connection.settimeout(10)
        sender = threading.Thread(target=connection.sendall, args=(big,))
        sender.start()
        heard = b""
        while len(heard) < len(big):
            heard += connection.recv(65536)
        sender.join()
        assert heard == big
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""


def test_a_withdrawn_call_back_ends_and_can_come_again(world: World, echo: int) -> None:
    lan = world.lan(1)
    world.fabric.expose(CALL_BACK, 443, ("127.0.0.1", echo))
    world.fabric.expose(CALL_BACK, 8443, ("localhost", echo))
    with lan.boxes[0].connect(CALL_BACK, 443) as connection:
        world.fabric.withdraw(CALL_BACK, 443)
        assert connection.recv(100) == b""
    with pytest.raises(OSError, match="refused"):
        lan.boxes[0].connect(CALL_BACK, 443)
    lan.boxes[0].connect(CALL_BACK, 8443).close()
    world.fabric.expose(CALL_BACK, 443, ("127.0.0.1", echo))
    lan.boxes[0].connect(CALL_BACK, 443).close()
    world.fabric.withdraw(CALL_BACK, 4444)


def test_egress_rules_hold_for_the_call_back(world: World, echo: int) -> None:
    lan = world.lan(1)
    world.fabric.expose(CALL_BACK, 443, ("127.0.0.1", echo))
    lan.firewall(lan.group("mute", (0,), egress=()))
    assert lan.boxes[0].reach(CALL_BACK, 443) is None


def test_a_target_that_is_down_closes_the_connection(world: World) -> None:
    lan = world.lan(1)
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    world.fabric.expose(CALL_BACK, 443, ("127.0.0.1", port))
    assert lan.boxes[0].reach(CALL_BACK, 443) in {"", None}


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("10.0.0.1", "127.0.0.1"),
        (str(OUTSIDE), "127.0.0.1"),
        ("198.18.0.2", "192.0.2.1"),
        ("198.18.0.2", "a.b"),
    ],
)
def test_only_loopback_servers_at_public_addresses(world: World, address: str, host: str) -> None:
    with pytest.raises(FabricError, match="can't be exposed"):
        world.fabric.expose(IPv4Address(address), 443, (host, 443))


def test_an_address_is_a_machines_or_the_hosts(world: World, echo: int) -> None:
    lan = world.lan(1)
    with pytest.raises(FabricError, match="a machine has it"):
        world.fabric.expose(lan.public(0), 443, ("127.0.0.1", echo))
    world.fabric.expose(CALL_BACK, 443, ("127.0.0.1", echo))
    with pytest.raises(FabricError, match=r"198.18.0.2 is exposed"):
        lan.port(0, public=CALL_BACK)


def test_curl_goes_through(world: World) -> None:
    lan = world.lan(1)
    web = subprocess.Popen(
        ["nsenter", "-n", "-t", str(lan.boxes[0].pid), "python3", "-m", "http.server", "80"],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        cwd="/proc/sys/kernel/random",
    )
    world.undo.callback(web.wait)
    world.undo.callback(web.kill)
    url = f"http://{lan.public(0)}/boot_id"
    command = [
        "curl",
        "-sS",
        "-p",
        "-x",
        world.fabric.proxy_url,
        "--retry",
        "20",
        "--retry-all-errors",
        "--retry-delay",
        "1",
        url,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
