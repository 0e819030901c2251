"""A TCP server on the fabric's loop that knows its connections and can end them all."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

BACKLOG = 512
LONGEST_LINE = 16 * 1024  # bytes; also how far a reader runs ahead, times two
KEEPALIVE = {
    socket.TCP_KEEPIDLE: 15,
    socket.TCP_KEEPINTVL: 5,
    socket.TCP_KEEPCNT: 4,
    socket.TCP_USER_TIMEOUT: 35_000,  # ms; unanswered data ends a connection as keepalive does
    socket.TCP_NODELAY: 1,
}


class TcpServer:
    """Accepts on a bound socket; each connection is one `talk`, closed at its end."""

    def __init__(self, bound: socket.socket, talk: Talk) -> None:
        self._bound = bound
        self._talk = talk
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False

    async def start(self) -> None:
        """Begin to accept."""
        self._server = await asyncio.start_server(
            self._accept, sock=self._bound, backlog=BACKLOG, limit=LONGEST_LINE
        )

    async def stop(self) -> None:
        """Close the listener and every connection."""
        self._stopped = True  # a connection accepted just now may not have its task yet
        if self._server is not None:
            self._server.close()
        else:
            self._bound.close()  # an open socket would keep its namespace alive
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if not self._stopped:
                keep_alive(writer)
                await self._talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            log.debug("connection ended: %s", error)
        except asyncio.CancelledError:
            # Only `stop` and the loop's end cancel; the stream server would log it as an error.
            log.debug("connection ended by the fabric")
        finally:
            self._tasks.discard(task)
            await finish(writer)


async def finish(writer: asyncio.StreamWriter) -> None:
    """Close a connection; its other end may be gone already."""
    writer.close()
    with contextlib.suppress(OSError, asyncio.CancelledError, TimeoutError):
        await asyncio.wait_for(writer.wait_closed(), 2)


def keep_alive(writer: asyncio.StreamWriter) -> None:
    """Make a silent connection notice a dead peer after about 35 s, and a talking one as well."""
    stream: socket.socket = writer.get_extra_info("socket")
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE.items():
        stream.setsockopt(socket.IPPROTO_TCP, option, value)
