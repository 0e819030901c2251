"""The HTTP server in our event loop: TLS, its own socket, streams that end before it stops."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from fastapi import FastAPI

GRACE = 3  # seconds for open requests when the server stops
GOODBYE = 0.3  # seconds for a client to answer that its connection is closed


class PortInUse(Exception):
    """The wanted address is not free; the message names it and the way out."""


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one. Raises PortInUse."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise PortInUse(
            f"{host}:{port} can't be used: {error.strerror}; "
            "choose another with --listen-port or HOLDFAST_LISTEN_PORT (0 takes a free one)"
        ) from error
    return listener


class Server(uvicorn.Server):
    """uvicorn, stopped by our own signal handling: open streams end first, then it does."""

    def __init__(self, app: FastAPI, certificate: Path, stopping: asyncio.Event) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                ssl_certfile=certificate,
                log_config=None,
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=GRACE,
                server_header=False,
            )
        )
        self._stopping = stopping
        self.serving = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, and say that requests are served."""
        await super().startup(sockets)
        self.serving.set()

    def stop(self) -> None:
        """End open streams, then the server."""
        self._stopping.set()
        self.should_exit = True
        asyncio.get_running_loop().call_later(GOODBYE, self._hang_up)

    def _hang_up(self) -> None:
        """Drop connections that were closed and whose client does not answer TLS's goodbye.

        A client that keeps an idle connection reads nothing from it; requests go on.
        """
        for connection in tuple(self.server_state.connections):
            transport = connection.transport
            if transport is not None and transport.is_closing():
                transport.abort()
        if self.server_state.connections:
            asyncio.get_running_loop().call_later(GOODBYE, self._hang_up)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM stop this server, and the process ends when all else has ended."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
