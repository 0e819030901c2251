"""A platform that is served on loopback, for clients that block: in a thread of its own."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import uvicorn
from tests.api.platform import Platform, a_platform

T = TypeVar("T")


@dataclass
class Served:
    """Where it is served; `play` runs a story on the platform's own loop."""

    url: str
    token: str
    platform: Platform
    loop: asyncio.AbstractEventLoop

    def play(self, story: Callable[[Platform], Awaitable[T]]) -> T:
        async def whole() -> T:
            return await story(self.platform)

        return asyncio.run_coroutine_threadsafe(whole(), self.loop).result(30)


@contextmanager
def a_served_platform(certificate: Path | None = None, **settings: Any) -> Iterator[Served]:
    """Serve HTTP, or HTTPS with a PEM file of key and certificate."""
    ready: list[Served] = []
    up = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    async def serve() -> None:
        async with a_platform(**settings) as platform:
            config = uvicorn.Config(
                platform.app,
                log_config=None,
                lifespan="off",
                ssl_certfile=certificate,
                timeout_graceful_shutdown=3,
            )
            server = uvicorn.Server(config)
            scheme = "https" if certificate else "http"
            url = f"{scheme}://127.0.0.1:{port}"
            ready.append(Served(url, platform.token, platform, asyncio.get_running_loop()))
            stop = asyncio.ensure_future(_stop(platform, server))
            up.set()  # the socket listens already: a request waits until it is served
            await server.serve(sockets=[listener])
            await stop

    async def _stop(platform: Platform, server: uvicorn.Server) -> None:
        await platform.context.stopping.wait()
        server.should_exit = True

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert up.wait(30)
        yield ready[0]
    finally:
        ready[0].loop.call_soon_threadsafe(ready[0].platform.context.stopping.set)
        thread.join(30)
        listener.close()
