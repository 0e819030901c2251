"""Reading requests, choosing proxy targets, and the metadata server on a loopback socket."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from ipaddress import IPv4Address

import pytest

from holdfast_sandbox.fabric import sockets
from holdfast_sandbox.fabric.errors import FabricError
from holdfast_sandbox.fabric.expose import check_exposure
from holdfast_sandbox.fabric.http import BadRequest, Head, read_body, read_head, response
from holdfast_sandbox.fabric.metadata import MetadataServer
from holdfast_sandbox.fabric.proxy import target
from holdfast_sandbox.fabric.server import LONGEST_LINE, TcpServer
from holdfast_sandbox.ports import MetadataAnswer, MetadataRequest

NAMES = {"api.sandbox": IPv4Address("198.18.0.9")}


async def fed(data: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    reader.feed_data(data)
    reader.feed_eof()
    return reader


def read(data: bytes) -> tuple[Head | None, bytes]:
    async def both() -> tuple[Head | None, bytes]:
        reader = await fed(data)
        head = await read_head(reader)
        return head, await read_body(head, reader) if head else b""

    return asyncio.run(both())


def test_a_request_is_read_whole() -> None:
    head, body = read(b"PUT /x?y=1 HTTP/1.1\r\nX-A: b: c \r\nContent-Length: 3\r\n\r\nabcdef")
    assert head == Head("PUT", "/x?y=1", {"x-a": "b: c", "content-length": "3"}, "HTTP/1.1")
    assert body == b"abc"


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [("1.1", "", True), ("1.1", "Close", False), ("1.0", "", False), ("1.0", "keep-alive", True)],
)
def test_connections_are_kept_as_the_client_wants(
    version: str, connection: str, kept: bool
) -> None:
    head, _ = read(f"GET / HTTP/{version}\r\nConnection: {connection}\r\n\r\n".encode())
    assert head is not None
    assert head.keeps_alive is kept


def test_the_end_of_a_connection_is_no_request() -> None:
    assert read(b"") == (None, b"")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/2\r\n\r\n", 400),
        (b"GET / HTT", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA : b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 65 + b"\r\n", 400),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"PUT / HTTP/1.1\r\nContent-Length: 65537\r\n\r\n", 413),
        (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 501),
    ],
)
def test_a_bad_request_has_a_status(data: bytes, status: int) -> None:
    with pytest.raises(BadRequest) as refused:
        read(data)
    assert refused.value.status == status


def test_a_response_says_its_own_length() -> None:
    headers = {"content-length": "99", "ETag": "x"}
    assert response(200, b"ab", headers, close=True) == (
        b"HTTP/1.1 200 OK\r\nETag: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab"
    )
    assert response(200, b"ab", {}, close=False, bodyless=True).endswith(b"keep-alive\r\n\r\n")


def test_the_proxy_leads_to_public_addresses_by_number_or_name() -> None:
    def connect(place: str) -> tuple[IPv4Address, int]:
        return target(Head("CONNECT", place, {}, "HTTP/1.1"), NAMES)

    assert connect("198.19.255.1:6443") == (IPv4Address("198.19.255.1"), 6443)
    assert connect("API.sandbox:443") == (IPv4Address("198.18.0.9"), 443)
    for place in ("198.20.0.1:443", "127.0.0.1:443", "other.sandbox:443", "[::1]:443", ":443"):
        with pytest.raises(BadRequest) as refused:
            connect(place)
        assert refused.value.status == HTTPStatus.FORBIDDEN
    for place in ("198.18.0.9", "198.18.0.9:", "198.18.0.9:x", "198.18.0.9:0", "198.18.0.9:65536"):
        with pytest.raises(BadRequest) as refused:
            connect(place)
        assert refused.value.status == HTTPStatus.BAD_REQUEST


def test_only_loopback_is_exposed() -> None:
    check_exposure(IPv4Address("198.18.0.2"), ("127.0.0.1", 1))
    check_exposure(IPv4Address("198.18.0.2"), ("localhost", 1))
    for address, host in (("10.0.0.1", "127.0.0.1"), ("198.18.0.2", "10.0.0.1")):
        with pytest.raises(FabricError, match=f"{address}|{host}"):
            check_exposure(IPv4Address(address), (host, 1))


class Metadata:
    """A metadata server on loopback, where the source of every client is 127.0.0.1."""

    def __init__(self, *, known: bool, fails: bool = False) -> None:
        self.asked: list[MetadataRequest] = []
        self._fails = fails
        self._server = MetadataServer("vpc", self._answer, lambda _: known)

    def _answer(self, request: MetadataRequest) -> MetadataAnswer:
        self.asked.append(request)
        if self._fails:
            raise ValueError("secret detail")
        return MetadataAnswer(200, b"fine", hops=0)

    def exchange(self, client: Callable[[int], Awaitable[bytes]]) -> bytes:
        async def serve() -> bytes:
            bound = sockets.bound(socket.SOCK_STREAM, "127.0.0.1", 0)
            server = TcpServer(bound, self._server.talk)
            await server.start()
            try:
                return await client(bound.getsockname()[1])
            finally:
                await server.stop()

        return asyncio.run(serve())


def send(request: bytes) -> Callable[[int], Awaitable[bytes]]:
    async def client(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        writer.write_eof()
        heard = await reader.read()
        writer.close()
        await writer.wait_closed()
        return heard

    return client


GET = b"GET /x HTTP/1.1\r\nHost: m\r\n\r\n"


@pytest.mark.enable_socket
def test_an_unknown_source_is_not_found_and_the_service_not_asked() -> None:
    metadata = Metadata(known=False)
    assert metadata.exchange(send(GET)).startswith(b"HTTP/1.1 404 ")
    assert metadata.asked == []


@pytest.mark.enable_socket
def test_one_connection_carries_many_requests() -> None:
    metadata = Metadata(known=True)
    heard = metadata.exchange(send(GET * 3))
    assert heard.count(b"HTTP/1.1 200 OK") == 3
    assert [request.source for request in metadata.asked] == [IPv4Address("127.0.0.1")] * 3


@pytest.mark.enable_socket
def test_a_failing_service_is_an_error_without_its_details() -> None:
    heard = Metadata(known=True, fails=True).exchange(send(GET))
    assert heard.startswith(b"HTTP/1.1 500 ")
    assert b"secret" not in heard


@pytest.mark.enable_socket
def test_a_bad_request_to_the_metadata_server_is_told_why() -> None:
    heard = Metadata(known=True).exchange(send(b"rubbish\r\n\r\n"))
    assert heard.startswith(b"HTTP/1.1 400 ")
    assert b"not an HTTP/1.1 request line" in heard


@pytest.mark.enable_socket
def test_stopping_ends_open_connections() -> None:
    async def hold(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        await reader.readuntil(b"fine")
        held.append((reader, writer))
        return b""

    held: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def story() -> bytes:
        bound = sockets.bound(socket.SOCK_STREAM, "127.0.0.1", 0)
        service = MetadataServer("vpc", lambda _: MetadataAnswer(200, b"fine"), lambda _: True)
        server = TcpServer(bound, service.talk)
        await server.start()
        await hold(bound.getsockname()[1])
        await server.stop()
        reader, writer = held[0]
        rest = await reader.read()
        writer.close()
        await writer.wait_closed()
        return rest

    assert asyncio.run(asyncio.wait_for(story(), 10)) == b""
