"""The forwarder: 127.0.0.1:7443 leads to a living API server, on every node.

    kubelet, kubectl, flannel -> 127.0.0.1:7443 -> one of /etc/api-backends, by chance

One that does not answer within a second is passed over. A connection whose backend dies is
noticed within seconds (keepalive, TCP_USER_TIMEOUT) and closed; so is one whose backend left the
list, since a removed control plane may go on answering. TLS is between client and API server: the
forwarder sees nothing of it.
"""

import asyncio
import contextlib
import logging
import random
import socket
from collections.abc import Awaitable
from pathlib import Path

from holdfast.agent import files

ADDRESS, PORT = "127.0.0.1", 7443
BACKENDS = Path("/etc/api-backends")
CONNECT_SECONDS = 1.0
LOOK_SECONDS = 0.5
PASSED_OVER_SECONDS = 3.0  # one that did not answer is tried last for so long
KEEPALIVE_IDLE, KEEPALIVE_EVERY, KEEPALIVE_COUNT = 2, 1, 3
USER_TIMEOUT_MS = 4000
CHUNK = 64 * 1024

log = logging.getLogger(__name__)


def write_backends(backends: list[str], path: Path = BACKENDS) -> bool:
    """Write the list, one "address:port" a line; True when it changed. An empty one is ignored:
    a node that knows no API server could never learn of one again."""
    text = "".join(f"{backend}\n" for backend in sorted(set(backends)))
    if not text or files.read(path) == text:
        return False
    files.write(path, text, 0o644)
    return True


def read_backends(path: Path = BACKENDS) -> frozenset[str]:
    """The API servers in the list; lines that are none are left out."""
    lines = (line.strip() for line in (files.read(path) or "").splitlines())
    return frozenset(line for line in lines if line.rpartition(":")[2].isdigit())


class Forwarder:
    """Connections and the backends that they lead to."""

    def __init__(self, path: Path = BACKENDS, *, seed: random.Random | None = None) -> None:
        self._path = path
        self._chance = seed or random.Random()
        self._backends = read_backends(path)
        self._dead_until: dict[str, float] = {}
        self._open: dict[asyncio.Task[None], str] = {}

    async def serve(self, address: str = ADDRESS, port: int = PORT) -> None:
        """Serve until cancelled."""
        server = await asyncio.start_server(self._accept, address, port)
        log.info("forwarding %s:%d to %s", address, port, ", ".join(sorted(self._backends)))
        async with server:
            await asyncio.gather(server.serve_forever(), self._watch())

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            listed = read_backends(self._path)
            if listed != self._backends:
                log.info("API servers now: %s", ", ".join(sorted(listed)))
                self._backends = listed
                for task, backend in list(self._open.items()):
                    if backend not in listed:
                        task.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            for backend in self._order():
                streams = await self._connect(backend)
                if streams is not None:
                    self._open[task] = backend
                    # It may have left the list while the connection was being made.
                    if backend in self._backends:
                        await _both_ways((reader, writer), streams)
                    else:
                        streams[1].transport.abort()
                    return
            log.warning("no API server answers: %s", ", ".join(sorted(self._backends)) or "none")
        except asyncio.CancelledError:
            log.info("closed: its API server left the list")
        finally:
            self._open.pop(task, None)
            writer.transport.abort()

    def _order(self) -> list[str]:
        """All backends by chance, those that failed just now at the end."""
        now = asyncio.get_running_loop().time()
        order = sorted(self._backends)
        self._chance.shuffle(order)
        return sorted(order, key=lambda backend: self._dead_until.get(backend, 0.0) > now)

    async def _connect(
        self, backend: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        host, _, port = backend.rpartition(":")
        try:
            streams = await asyncio.wait_for(
                asyncio.open_connection(host, int(port)), CONNECT_SECONDS
            )
        # Python 3.10 has an asyncio.TimeoutError of its own.
        except (OSError, asyncio.TimeoutError):  # noqa: UP041
            loop = asyncio.get_running_loop()
            self._dead_until[backend] = loop.time() + PASSED_OVER_SECONDS
            return None
        self._dead_until.pop(backend, None)
        _watch_for_death(streams[1].get_extra_info("socket"))
        return streams


def _watch_for_death(connection: socket.socket) -> None:
    for option, value in (
        (socket.TCP_KEEPIDLE, KEEPALIVE_IDLE),
        (socket.TCP_KEEPINTVL, KEEPALIVE_EVERY),
        (socket.TCP_KEEPCNT, KEEPALIVE_COUNT),
        (socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS),
        (socket.TCP_NODELAY, 1),
    ):
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


async def _both_ways(
    client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
) -> None:
    """Copy until both sides are done, or one breaks."""
    copies: list[Awaitable[None]] = [_copy(client[0], server[1]), _copy(server[0], client[1])]
    try:
        await asyncio.gather(*copies)
    except OSError as error:
        log.info("connection broke: %s", error)
    finally:
        server[1].transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Everything, then the end of it; returns when the kernel has taken all."""
    # Without a low-water mark `drain` returns while bytes are still to be sent, and an abort of
    # the connection afterwards would lose them.
    writer.transport.set_write_buffer_limits(high=0)
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()
