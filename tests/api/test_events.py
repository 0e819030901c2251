"""Events: listed, in v1's shape, and live with resume and without gaps."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from tests.api.platform import Platform, story

from holdfast.api import stream
from holdfast.model.event import Event, NewEvent, Severity
from holdfast.model.ids import ClusterId
from holdfast.store.feed import Feed

CLUSTERS = "/v1/kubernetes/clusters"


async def _append(platform: Platform, cluster: str, *messages: str) -> None:
    new = [NewEvent("Told", message, "web") for message in messages]
    async with platform.store.writing() as tx:
        await platform.store.events.append(tx, ClusterId(cluster), *new)


async def _take(events: AsyncIterator[Event], count: int) -> list[int]:
    return [(await asyncio.wait_for(anext(events), 5)).seq for _ in range(count)]


@story
async def test_a35_feedback_events_have_four_fields_and_stable_unique_ids(
    platform: Platform,
) -> None:
    made = await platform.cluster("web")
    async with platform.store.writing() as tx:
        new = NewEvent("Broken", "it broke", "web", Severity.ERROR)
        await platform.store.events.append(tx, ClusterId(made["id"]), new)
    path = f"{CLUSTERS}/{made['id']}/feedbackevents"
    first, again = (await platform.get(path)).json(), (await platform.get(path)).json()
    assert first == again
    assert all(
        event.keys() == {"id", "createdAt", "message", "severity"} for event in first["items"]
    )
    assert len({event["id"] for event in first["items"]}) == 2
    assert [event["severity"] for event in first["items"]] == ["info", "error"]


@story
async def test_all_feedback_events_come_even_more_than_a_page(platform: Platform) -> None:
    made = await platform.cluster("web")
    await _append(platform, made["id"], *(f"event {n}" for n in range(2100)))
    items = (await platform.get(f"{CLUSTERS}/{made['id']}/feedbackevents")).json()["items"]
    assert len(items) == 2101


@story
async def test_numbered_events_go_on_behind_a_number(platform: Platform) -> None:
    made = await platform.cluster("web")
    await _append(platform, made["id"], "two", "three", "four")
    path = f"{CLUSTERS}/{made['id']}/events"
    page = (await platform.get(path, params={"after": 1, "limit": 2})).json()
    assert [event["seq"] for event in page["items"]] == [2, 3]
    assert page["lastSeq"] == 3
    rest = (await platform.get(path, params={"after": page["lastSeq"]})).json()
    assert [event["message"] for event in rest["items"]] == ["four"]
    nothing = (await platform.get(path, params={"after": 99})).json()
    assert nothing == {"items": [], "lastSeq": 99}


@pytest.mark.parametrize("after", ["-1", "x", "1e3", "99999999999999999999"])
@story
async def test_a_number_that_is_none_is_400(platform: Platform, after: str) -> None:
    made = await platform.cluster("web")
    answer = await platform.get(f"{CLUSTERS}/{made['id']}/events", params={"after": after})
    assert answer.status_code == 400


@story
async def test_the_stream_tells_stored_then_live_events_once_each(platform: Platform) -> None:
    made = await platform.cluster("web")
    await _append(platform, made["id"], "two")
    cluster = ClusterId(made["id"])
    async with aclosing(
        stream.events(platform.store, cluster, 0, platform.context.stopping)
    ) as events:
        assert await _take(events, 2) == [1, 2]
        await _append(platform, made["id"], "three")
        assert await _take(events, 1) == [3]
        await _append(platform, made["id"], "four", "five")
        assert await _take(events, 2) == [4, 5]
    assert platform.store.feed.readers == 0


@story
async def test_an_event_between_subscribing_and_reading_is_told_once(platform: Platform) -> None:
    made = await platform.cluster("web")
    cluster = ClusterId(made["id"])
    async with aclosing(
        stream.events(platform.store, cluster, 0, platform.context.stopping)
    ) as events:
        assert await _take(events, 1) == [1]
        event = Event(cluster, 1, platform.clock.now(), "Told", "again", "", Severity.INFO)
        platform.store.feed.publish([event])
        await _append(platform, made["id"], "two")
        assert await _take(events, 1) == [2]


@story
async def test_a_reader_that_lagged_behind_misses_nothing(platform: Platform) -> None:
    made = await platform.cluster("web")
    platform.store.feed = Feed(length=2)
    cluster = ClusterId(made["id"])
    async with aclosing(
        stream.events(platform.store, cluster, 0, platform.context.stopping)
    ) as events:
        assert await _take(events, 1) == [1]
        for n in range(2, 12):
            await _append(platform, made["id"], f"event {n}")
        assert await _take(events, 10) == list(range(2, 12))


@story
async def test_the_stream_over_http_has_ids_and_ends_when_the_server_stops(
    platform: Platform,
) -> None:
    made = await platform.cluster("web")
    await _append(platform, made["id"], "two", "three")
    asyncio.get_running_loop().call_later(0.2, platform.context.stopping.set)
    path = f"{CLUSTERS}/{made['id']}/events/stream"
    answer = await asyncio.wait_for(platform.get(path, headers={"Last-Event-ID": "1"}), 10)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = answer.text.splitlines()
    assert [line for line in lines if line.startswith("id:")] == ["id: 2", "id: 3"]
    assert platform.store.feed.readers == 0


@pytest.mark.parametrize("header", ["x", "-1", "9" * 40, "²"])
@story
async def test_a_strange_last_event_id_begins_at_the_query(platform: Platform, header: str) -> None:
    made = await platform.cluster("web")
    platform.context.stopping.set()
    path = f"{CLUSTERS}/{made['id']}/events/stream"
    headers = [(b"Last-Event-ID", header.encode())]
    assert (await platform.get(path, headers=headers)).status_code == 200


@story
async def test_the_stream_of_an_unknown_cluster_is_404(platform: Platform) -> None:
    answer = await platform.get(f"{CLUSTERS}/00000000-0000-4000-8000-000000000000/events/stream")
    assert answer.status_code == 404
    assert answer.json()["fieldViolations"] == []
