"""The events of a cluster as they come: from a number on, without gaps, until the server stops."""

import asyncio
from collections.abc import AsyncGenerator

from holdfast.model.event import Event
from holdfast.model.ids import ClusterId
from holdfast.store.feed import FeedItem, Missed
from holdfast.store.store import Store

PAGE = 500


async def events(
    store: Store, cluster: ClusterId, after: int, stopping: asyncio.Event
) -> AsyncGenerator[Event, None]:
    """Stored events behind `after`, then live ones.

    Subscribed first, then read: an event in both is told once. A reader that lagged behind, or a
    number that is missing, leads back to the table.
    """
    async with store.feed.subscribe(cluster) as queue:
        while not stopping.is_set():
            async with store.reading() as tx:
                page = await store.events.after(tx, cluster, after, PAGE)
            for event in page:
                yield event
                after = event.seq
            if len(page) == PAGE:
                continue
            while (item := await _next(queue, stopping)) is not None:
                if isinstance(item, Missed) or item.seq > after + 1:
                    break
                if item.seq == after + 1:
                    yield item
                    after = item.seq


async def _next(queue: asyncio.Queue[FeedItem], stopping: asyncio.Event) -> FeedItem | None:
    """The next item; None when the server stops."""
    item = asyncio.ensure_future(queue.get())
    stop = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait({item, stop}, return_when=asyncio.FIRST_COMPLETED)
        return item.result() if item.done() else None
    finally:
        item.cancel()
        stop.cancel()
