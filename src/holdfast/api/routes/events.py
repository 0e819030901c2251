"""Events of a cluster: v1's feedback events, numbered events, and the live stream."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from holdfast.api import stream
from holdfast.api.auth import ApiContext
from holdfast.api.routes import lookup
from holdfast.model.event import Event
from holdfast.model.ids import ClusterId
from holdfast.store.database import Tx
from holdfast.wire import event as wire
from holdfast.wire.event import ClusterEventList, FeedbackEventList

PAGE = 1000
NEWEST = 2**53  # more events than any cluster will have


def router(context: ApiContext) -> APIRouter:
    """Events of clusters."""
    routes = APIRouter(tags=["events"])
    path = "/v1/kubernetes/clusters/{cluster_id}"

    @routes.get(f"{path}/feedbackevents")
    async def list_feedback(cluster_id: str) -> FeedbackEventList:
        """Every event of the cluster, in v1's shape."""
        async with context.store.reading() as tx:
            found = await lookup.cluster(context, tx, cluster_id)
            events = await _all(context, tx, found.id)
        return FeedbackEventList(items=[wire.feedback(each) for each in events])

    @routes.get(f"{path}/events")
    async def list_events(
        cluster_id: str,
        after: Annotated[int, Query(ge=0, le=NEWEST)] = 0,
        limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
    ) -> ClusterEventList:
        """Events behind a number; `lastSeq` is where the next call goes on."""
        async with context.store.reading() as tx:
            found = await lookup.cluster(context, tx, cluster_id)
            events = await context.store.events.after(tx, found.id, after, limit)
        return wire.listed(events, after)

    async def known(cluster_id: str) -> ClusterId:
        """Refuses before the stream begins: afterwards no status can be sent."""
        async with context.store.reading() as tx:
            return (await lookup.cluster(context, tx, cluster_id)).id

    @routes.get(f"{path}/events/stream", response_class=EventSourceResponse)
    async def stream_events(
        cluster: Annotated[ClusterId, Depends(known)],
        after: Annotated[int, Query(ge=0, le=NEWEST)] = 0,
        last_event_id: Annotated[str, Header()] = "",
    ) -> AsyncIterator[ServerSentEvent]:
        """Events as they come. Ids are their numbers; `Last-Event-ID` resumes behind one."""
        resumed = last_event_id if last_event_id.isdecimal() and len(last_event_id) < 16 else ""
        start = int(resumed) if resumed else after
        told = stream.events(context.store, cluster, start, context.stopping)
        with context.metrics.streams.track_inprogress():
            async with aclosing(told) as events:
                async for each in events:
                    shown = wire.shown(each).model_dump(mode="json")
                    yield ServerSentEvent(data=shown, id=str(each.seq), event="event")

    return routes


async def _all(context: ApiContext, tx: Tx, cluster: ClusterId) -> list[Event]:
    events: list[Event] = []
    while True:
        last = events[-1].seq if events else 0
        page = await context.store.events.after(tx, cluster, last, PAGE)
        events += page
        if len(page) < PAGE:
            return events
