"""Both clients against a real server: typed results, typed failures, TLS by CA file, streams."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.api.platform import (
    GOOD_KEY,
    SECRET,
    Platform,
    a_request,
    story,
)
from tests.client.served import Served, a_served_platform

from holdfast.client import aio, calls, errors, sync
from holdfast.client.calls import Call
from holdfast.clock import SystemClock
from holdfast.identity import platform_ca
from holdfast.model.event import NewEvent
from holdfast.model.ids import ClusterId
from holdfast.wire.cluster import Cluster, ClusterRequest

Ask = Callable[[Call[Any]], Any]
KEY = {"accessKeyId": GOOD_KEY, "secretAccessKey": SECRET}
ABSENT = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with a_served_platform() as found:
        yield found


@pytest.fixture(params=["sync", "aio"])
def ask(request: pytest.FixtureRequest, served: Served) -> Ask:
    """Sends one call with one of the two clients."""
    if request.param == "sync":
        return sync.Client(served.url, served.token).call

    def send(call: Call[Any]) -> Any:
        async def whole() -> Any:
            async with aio.Client(served.url, served.token) as client:
                return await client.call(call)

        return asyncio.run(whole())

    return send


def _request(credentials: str, name: str) -> ClusterRequest:
    return ClusterRequest.model_validate(a_request(name, cloudCredentialsIDs=[credentials]))


def test_a_whole_life_is_typed(ask: Ask, request: pytest.FixtureRequest) -> None:
    name = f"life-{request.node.callspec.params['ask']}"
    credentials = ask(calls.add_credentials(name, "aws", KEY))
    assert credentials.check.account_id == "111111111111"
    plan = ask(calls.preview_cluster(_request(credentials.id, name)))
    assert len(plan.machines) == 2
    made = ask(calls.create_cluster(_request(credentials.id, name)))
    assert isinstance(made, Cluster)
    assert made.status == "creating"
    assert made.id in {one.id for one in ask(calls.list_clusters()).items}
    assert ask(calls.get_cluster(made.id)) == made
    nodes = ask(calls.list_nodes(made.id)).items
    assert ask(calls.get_node(made.id, nodes[0].id)) == nodes[0]
    assert ask(calls.list_events(made.id)).last_seq == 1
    assert len(ask(calls.list_feedback(made.id)).items) == 1
    assert ask(calls.list_resources(made.id)).items == []
    assert ask(calls.get_plan(made.id)).at is None
    assert ask(calls.reconcile_cluster(made.id)).id == made.id
    with pytest.raises(errors.NotFound):
        ask(calls.get_kubeconfig(made.id))
    with pytest.raises(errors.Conflict, match=name):
        ask(calls.remove_credentials(credentials.id))
    assert ask(calls.delete_cluster(made.id)) is None
    assert ask(calls.get_cluster(made.id)).status == "deleting"


def test_the_small_calls_are_typed(ask: Ask) -> None:
    assert ask(calls.health()).status == "ok"
    assert ask(calls.list_regions()).items[0].name == "eu-central"
    assert ask(calls.list_tokens()).items[0].active


def test_violations_come_with_the_refusal(ask: Ask) -> None:
    with pytest.raises(errors.Refused) as caught:
        ask(calls.create_cluster(_request(ABSENT, "x")))
    refusal = caught.value
    assert refusal.status == 400
    assert {one.field for one in refusal.violations} == {"name", "cloudCredentialsIDs[0]"}
    assert refusal.request_id
    assert "cloudCredentialsIDs[0]: " in str(refusal)


def test_unknown_ids_are_not_found(ask: Ask) -> None:
    with pytest.raises(errors.NotFound, match=ABSENT):
        ask(calls.get_cluster(ABSENT))
    with pytest.raises(errors.NotFound):
        ask(calls.get_cluster("../../health"))


def test_a_wrong_token_is_unauthorized(served: Served) -> None:
    with pytest.raises(errors.Unauthorized):
        sync.Client(served.url, "hf_wrong").call(calls.list_regions())


def test_nobody_listening_is_unreachable() -> None:
    with pytest.raises(errors.Unreachable, match=r"127\.0\.0\.1:9"):
        sync.Client("http://127.0.0.1:9", "t").call(calls.list_regions())

    async def whole() -> None:
        async with aio.Client("http://127.0.0.1:9", "t") as client:
            await client.call(calls.list_regions())

    with pytest.raises(errors.Unreachable, match=r"127\.0\.0\.1:9"):
        asyncio.run(whole())


@pytest.mark.parametrize("url", ["", "holdfast.example", "ftp://x", "https://"])
def test_an_address_that_is_none_is_named(url: str) -> None:
    with pytest.raises(errors.Unreachable, match="is not a URL"):
        sync.Client(url, "t")


@pytest.mark.parametrize(
    ("status", "content"),
    [(200, b"<html>"), (200, b'{"items": [{}]}'), (200, b"[]"), (502, b"Bad gateway"), (200, b"")],
)
def test_a_stranger_that_answers_is_unintelligible(status: int, content: bytes) -> None:
    with pytest.raises(errors.Unintelligible):
        calls.list_clusters().read(status, content)


@pytest.mark.parametrize("content", [b"null", b"[]", b'{"message": 1}', b'{"fieldViolations": 3}'])
def test_an_error_body_of_a_stranger_does_not_break_the_client(content: bytes) -> None:
    assert isinstance(errors.refusal(500, content), errors.ClientError)


def test_tls_is_checked_against_the_ca_file(tmp_path: Path) -> None:
    now = SystemClock().now()
    ca, stranger = platform_ca.new(now), platform_ca.new(now)
    server = platform_ca.server_certificate(ca, ["127.0.0.1"], now)
    files = {"server.pem": server.certificate + server.key, "ca.pem": ca.certificate}
    files["other.pem"] = stranger.certificate
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with a_served_platform(tmp_path / "server.pem") as found:
        good = sync.Client(found.url, found.token, tmp_path / "ca.pem")
        assert good.call(calls.health()).status == "ok"
        for ca_file in (tmp_path / "other.pem", None):
            with pytest.raises(errors.Unreachable, match="certificate verify failed"):
                sync.Client(found.url, found.token, ca_file).call(calls.health())

        async def whole(ca_file: Path) -> str:
            async with aio.Client(found.url, found.token, ca_file) as client:
                return (await client.call(calls.health())).status

        assert asyncio.run(whole(tmp_path / "ca.pem")) == "ok"
        with pytest.raises(errors.Unreachable):
            asyncio.run(whole(tmp_path / "other.pem"))


def test_a_ca_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for path in (tmp_path / "empty.pem", tmp_path / "absent.pem"):
        with pytest.raises(errors.Unreachable, match=path.name):
            sync.Client("https://x", "t", path)
        with pytest.raises(errors.Unreachable, match=path.name):
            aio.Client("https://x", "t", path)


def test_the_stream_is_followed_by_the_blocking_client(served: Served) -> None:
    made = served.play(lambda platform: platform.cluster("streamed"))

    async def told(platform: Platform) -> None:
        async with platform.store.writing() as tx:
            new = NewEvent("Told", "two\nlines \x1b[31m", "x")
            await platform.store.events.append(tx, ClusterId(made["id"]), new)

    served.play(told)
    seen = []
    for event in sync.Client(served.url, served.token).events(made["id"]):
        seen.append(event)
        if len(seen) == 2:
            break
    assert [event.seq for event in seen] == [1, 2]
    assert seen[1].data["message"] == "two\nlines \x1b[31m"
    (resumed,) = _first(sync.Client(served.url, served.token).events(made["id"], after=1))
    assert resumed.seq == 2


def test_the_stream_of_an_unknown_cluster_is_not_found(served: Served) -> None:
    with pytest.raises(errors.NotFound):
        next(iter(sync.Client(served.url, served.token).events(ABSENT)))


@story
async def test_the_stream_is_followed_by_the_asyncio_client(platform: Platform) -> None:
    made = await platform.cluster("web")
    asyncio.get_running_loop().call_later(0.2, platform.context.stopping.set)
    transport = httpx2.ASGITransport(app=platform.app)
    async with aio.Client("https://x", platform.token, transport=transport) as client:
        events = [event async for event in client.events(made["id"])]
    assert [event.data["reason"] for event in events] == ["ClusterRequested"]


def _first(events: Iterator[Any]) -> list[Any]:
    for event in events:
        return [event]
    return []
