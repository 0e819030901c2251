"""Tells committed events to whoever listens in this process, and never waits for a reader."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from holdfast.model.event import Event
from holdfast.model.ids import ClusterId

QUEUE_LENGTH = 256  # events a reader may lag behind before it has to refetch


@dataclass(frozen=True, slots=True)
class Missed:
    """The reader was too slow and events were dropped: read the table again (`events.after`)."""


FeedItem = Event | Missed


class Feed:
    """A bounded queue a reader. One that overflows is emptied and told so by `Missed`."""

    def __init__(self, length: int = QUEUE_LENGTH) -> None:
        self._length = length
        self._readers: dict[asyncio.Queue[FeedItem], ClusterId | None] = {}

    @property
    def readers(self) -> int:
        """How many are subscribed now."""
        return len(self._readers)

    @asynccontextmanager
    async def subscribe(self, cluster: ClusterId | None) -> AsyncIterator[asyncio.Queue[FeedItem]]:
        """Events of a cluster (None: of all) that are committed from now on, in order.

        Subscribe first, then read the table: an event in both has the same `seq`.
        """
        queue: asyncio.Queue[FeedItem] = asyncio.Queue(self._length)
        self._readers[queue] = cluster
        try:
            yield queue
        finally:
            del self._readers[queue]

    def publish(self, events: Iterable[Event]) -> None:
        """Tell everyone who listens; call after the commit."""
        for event in events:
            for queue, cluster in self._readers.items():
                if cluster is None or cluster == event.cluster:
                    _put(queue, event)


def _put(queue: asyncio.Queue[FeedItem], event: Event) -> None:
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(Missed())
        return
    queue.put_nowait(event)
