"""Moves bytes between two connections until both directions have ended."""

import asyncio

from holdfast_sandbox.fabric.server import finish

CHUNK = 64 * 1024
HALF_OPEN = 300.0  # seconds that one direction may outlive the other

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def pump(one: Connection, other: Connection) -> None:
    """Copy both ways and pass half-closes on. A stream may be silent for as long as it likes.

    Closes both ends. An error on either side ends both: what is left could not be delivered.
    """
    ways = {
        asyncio.ensure_future(_copy(one[0], other[1])),
        asyncio.ensure_future(_copy(other[0], one[1])),
    }
    try:
        done, left = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        failed = any(way.exception() for way in done)
        if left and not failed:
            await asyncio.wait(left, timeout=HALF_OPEN)
    finally:
        # First of all what can't be interrupted: a second cancellation may come at any await.
        for writer in (one[1], other[1]):
            writer.close()
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        await asyncio.gather(finish(one[1]), finish(other[1]))


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while chunk := await source.read(CHUNK):
        target.write(chunk)
        await target.drain()
    if target.can_write_eof():
        target.write_eof()
