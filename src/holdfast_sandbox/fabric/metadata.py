"""The metadata server at 169.254.169.254:80 of one network; who asks is known by the address.

Anti-spoofing makes the source address trustworthy, so nothing that a client says counts.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from http import HTTPStatus
from ipaddress import IPv4Address

from holdfast_sandbox.fabric.http import BadRequest, Head, read_body, read_head, response
from holdfast_sandbox.ports import MetadataAnswer, MetadataRequest, MetadataService

log = logging.getLogger(__name__)

PATIENCE = 15.0  # seconds for a whole request to come in
ORDINARY_TTL = 64
UNDELIVERED = 10_000  # ms; an answer that its hop limit keeps from arriving is not resent for ever

PLAIN = {"Content-Type": "text/plain"}


class MetadataServer:
    """Turns requests into values, asks the service on a worker thread, sends with its hop limit."""

    def __init__(
        self, network: str, service: MetadataService, knows: Callable[[IPv4Address], bool]
    ) -> None:
        self._network = network
        self._service = service
        self._knows = knows

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until the client ends it or asks to."""
        source = IPv4Address(writer.get_extra_info("peername")[0])
        stream: socket.socket = writer.get_extra_info("socket")
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNDELIVERED)
        alive = True
        while alive:
            try:
                async with asyncio.timeout(PATIENCE):
                    head = await read_head(reader)
                    body = await read_body(head, reader) if head else b""
            except BadRequest as error:
                writer.write(response(error.status, f"{error}\n".encode(), PLAIN, close=True))
                return await writer.drain()
            if head is None:
                return None
            answer = await self._answer(source, head, body)
            alive = head.keeps_alive
            stream.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, _ttl(answer.hops))
            bodyless = head.method == "HEAD"
            writer.write(
                response(
                    answer.status, answer.body, answer.headers, close=not alive, bodyless=bodyless
                )
            )
            await writer.drain()
        return None

    async def _answer(self, source: IPv4Address, head: Head, body: bytes) -> MetadataAnswer:
        if not self._knows(source):
            log.warning("metadata asked by unknown address %s in %s", source, self._network)
            return MetadataAnswer(404, b"no machine has this address\n", PLAIN, ORDINARY_TTL)
        request = MetadataRequest(
            self._network, source, head.method, head.target, head.headers, body
        )
        try:
            return await asyncio.to_thread(self._service, request)
        except Exception:  # the service is a stranger's code; its bug must not end the server
            log.exception("metadata service failed on %s %s", head.method, head.target)
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            return MetadataAnswer(status, b"metadata service failed\n", PLAIN, ORDINARY_TTL)


def _ttl(hops: int) -> int:
    return min(max(hops, 1), 255)
