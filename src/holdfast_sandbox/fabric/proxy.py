"""The way in: an HTTP CONNECT proxy on the host's loopback that reaches public addresses only.

Each connection is made by a socket born in the internet namespace, so that NAT and security
groups apply to it as to any stranger's.
"""

import asyncio
import contextlib
import socket
from http import HTTPStatus
from ipaddress import AddressValueError, IPv4Address

from holdfast_sandbox.fabric.dns import Names
from holdfast_sandbox.fabric.http import BadRequest, Head, read_head, response
from holdfast_sandbox.fabric.names import PUBLIC
from holdfast_sandbox.fabric.namespace import Namespace
from holdfast_sandbox.fabric.pump import pump
from holdfast_sandbox.fabric.server import keep_alive

PATIENCE = 10.0  # seconds for the request's head
CONNECT_TIMEOUT = 10.0  # seconds; a security group that drops looks like this
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class ConnectProxy:
    """Reads one CONNECT per connection, then only moves bytes."""

    def __init__(self, internet: Namespace, names: Names) -> None:
        self._internet = internet
        self._names = names

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection. Every refusal has a status and a sentence."""
        try:
            async with asyncio.timeout(PATIENCE):
                head = await read_head(reader)
            if head is None:
                return
            address, port = target(head, self._names)
            stream = await self._connect(address, port)
        except BadRequest as error:
            body = f"sandbox proxy: {error}\n".encode()
            writer.write(response(error.status, body, {"Content-Type": "text/plain"}, close=True))
            await writer.drain()
            return
        far = await asyncio.open_connection(sock=stream)
        keep_alive(far[1])
        writer.write(ESTABLISHED)
        await pump((reader, writer), far)

    async def _connect(self, address: IPv4Address, port: int) -> socket.socket:
        stream = await asyncio.wrap_future(self._internet.tcp())
        place = f"{address}:{port}"
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await asyncio.get_running_loop().sock_connect(stream, (str(address), port))
        except TimeoutError as error:
            stream.close()
            raise BadRequest(
                HTTPStatus.GATEWAY_TIMEOUT,
                f"{place} did not answer in {CONNECT_TIMEOUT:.0f} s (no machine, or a firewall)",
            ) from error
        except OSError as error:
            stream.close()
            raise BadRequest(HTTPStatus.BAD_GATEWAY, f"{place}: {error.strerror}") from error
        except BaseException:
            with contextlib.suppress(OSError):
                stream.close()
            raise
        return stream


def target(head: Head, names: Names) -> tuple[IPv4Address, int]:
    """Where a CONNECT leads. Raises BadRequest for anything but a public sandbox address."""
    if head.method != "CONNECT":
        raise BadRequest(HTTPStatus.METHOD_NOT_ALLOWED, "only CONNECT is served")
    host, colon, port = head.target.rpartition(":")
    if not (colon and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise BadRequest(HTTPStatus.BAD_REQUEST, "CONNECT needs HOST:PORT")
    address = names.get(host.lower())
    if address is None:
        try:
            address = IPv4Address(host)
        except AddressValueError as error:
            raise BadRequest(HTTPStatus.FORBIDDEN, f"{host} is no sandbox address") from error
    if address not in PUBLIC:
        raise BadRequest(HTTPStatus.FORBIDDEN, f"{address} is not in {PUBLIC}")
    return address, int(port)
