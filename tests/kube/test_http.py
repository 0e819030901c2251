"""The client of a cluster's API against a small TLS server that asks for client certificates."""

import asyncio
import json
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from holdfast.identity import certificates
from holdfast.identity.certificates import KeyPair
from holdfast.kube import http
from holdfast.kube.http import HttpKube
from holdfast.kube.port import KubeAccess, KubeUnreachable
from holdfast.model.workload import Pod

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
POD = Pod("shop", "web", "web-1", "Running", is_daemon=False, is_mirror=False)
NODE = {
    "metadata": {"name": "web-1"},
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}
SYSTEM = {
    "/api/v1/nodes": {"items": [NODE]},
    "/apis/apps/v1/namespaces/kube-system/deployments": {
        "items": [{"metadata": {"name": "coredns"}, "status": {"availableReplicas": 1}}]
    },
    "/apis/apps/v1/namespaces/kube-system/daemonsets": {"items": None},
    "/apis/apps/v1/namespaces/kube-flannel/daemonsets": {
        "items": [
            {
                "metadata": {"name": "kube-flannel-ds"},
                "status": {"desiredNumberScheduled": 1, "numberReady": 1},
            }
        ]
    },
    "/version": {"gitVersion": "v1.37.2"},
}


@dataclass
class Server:
    """What the API server answers, and what it was asked."""

    answers: dict[str, Any] = field(default_factory=lambda: dict(SYSTEM))
    statuses: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, str, str, Any]] = field(default_factory=list)  # verb, path, type, body
    users: set[str] = field(default_factory=set)
    hold: threading.Event = field(default_factory=threading.Event)
    port: int = 0


def handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length) or "null")
            path = self.path.partition("?")[0]
            kind = self.headers.get("Content-Type", "")
            server.asked.append((self.command, self.path, kind, body))
            assert isinstance(self.connection, ssl.SSLSocket)
            peer: Any = self.connection.getpeercert()
            subject = dict(part[0] for part in peer["subject"])
            server.users.add(str(subject["commonName"]))
            found = server.answers.get(path, {})
            if found == "hang":
                server.hold.wait(20)
                return
            if found == "cut":
                self.close_connection = True
                return
            text = found if isinstance(found, str) else json.dumps(found)
            self.send_response(server.statuses.get(path, 200))
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    return Handler


@pytest.fixture(scope="module")
def ca() -> KeyPair:
    return certificates.authority("kubernetes", NOW - HOUR)


@pytest.fixture
def server(ca: KeyPair, tmp_path: Path) -> Iterator[Server]:
    with serving(ca, tmp_path) as found:
        yield found


@contextmanager
def serving(ca: KeyPair, folder: Path) -> Iterator[Server]:
    found = Server()
    own = certificates.server(ca, ["127.0.0.1"], NOW - HOUR, 24 * HOUR)
    file = folder / "server.pem"
    file.write_text(own.certificate + own.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=ca.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(file)
    web = ThreadingHTTPServer(("127.0.0.1", 0), handler(found))
    web.daemon_threads = True
    web.socket = context.wrap_socket(web.socket, server_side=True, do_handshake_on_connect=False)
    found.port = web.server_address[1]
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield found
    finally:
        found.hold.set()
        web.shutdown()
        web.server_close()
        thread.join()


def access(ca: KeyPair, port: int, user: str = "holdfast", proxy: str = "") -> KubeAccess:
    certificate = certificates.client(ca, user, ("system:masters",), NOW - HOUR, 24 * HOUR)
    return KubeAccess(
        f"https://127.0.0.1:{port}", ca.certificate, certificate.certificate, certificate.key, proxy
    )


@asynccontextmanager
async def client(given: KubeAccess) -> AsyncIterator[HttpKube]:
    kube = HttpKube(given)
    try:
        yield kube
    finally:
        await kube.close()


Act = Callable[[HttpKube], Awaitable[Any]]


def ask(given: KubeAccess, act: Act) -> Any:
    async def whole() -> Any:
        async with client(given) as kube:
            return await act(kube)

    return asyncio.run(whole())


def test_a_look_reads_nodes_system_and_version_as_the_user_of_its_certificate(
    ca: KeyPair, server: Server
) -> None:
    found = ask(access(ca, server.port), lambda kube: kube.look())
    assert found.system_ready
    assert found.version == "v1.37.2"
    assert {name: node.ready for name, node in found.nodes.items()} == {"web-1": True}
    assert server.users == {"holdfast"}
    assert {path for _, path, _, _ in server.asked} == set(SYSTEM)


def test_a_namespace_that_is_not_there_yet_is_no_error(ca: KeyPair, server: Server) -> None:
    server.statuses["/apis/apps/v1/namespaces/kube-flannel/daemonsets"] = 404
    found = ask(access(ca, server.port), lambda kube: kube.look())
    assert not found.system_ready


def test_nodes_that_cannot_be_found_are_no_empty_list(ca: KeyPair, server: Server) -> None:
    """Something else answers at that address: all nodes would seem to be gone."""
    server.statuses["/api/v1/nodes"] = 404
    with pytest.raises(KubeUnreachable, match="404"):
        ask(access(ca, server.port), lambda kube: kube.look())


def test_a_node_is_deleted_and_one_that_is_gone_is_fine(ca: KeyPair, server: Server) -> None:
    for status in (200, 404):
        server.statuses["/api/v1/nodes/web-1"] = status
        ask(access(ca, server.port), lambda kube: kube.delete_node("web-1"))
    assert [(verb, path) for verb, path, _, _ in server.asked] == [
        ("DELETE", "/api/v1/nodes/web-1")
    ] * 2


def test_a_node_is_cordoned_by_a_merge_patch(ca: KeyPair, server: Server) -> None:
    ask(access(ca, server.port), lambda kube: kube.cordon("web-1"))
    assert server.asked == [
        (
            "PATCH",
            "/api/v1/nodes/web-1",
            "application/merge-patch+json",
            {"spec": {"unschedulable": True}},
        )
    ]


def test_pods_of_one_node(ca: KeyPair, server: Server) -> None:
    item = {"metadata": {"namespace": "shop", "name": "web"}, "spec": {"nodeName": "web-1"}}
    server.answers["/api/v1/pods"] = {"items": [item]}
    (pod,) = ask(access(ca, server.port), lambda kube: kube.pods_on("web-1"))
    assert (pod.namespace, pod.name, pod.node) == ("shop", "web", "web-1")
    assert server.asked[0][1] == "/api/v1/pods?fieldSelector=spec.nodeName%3Dweb-1"


EVICTION = "/api/v1/namespaces/shop/pods/web/eviction"


@pytest.mark.parametrize(("status", "evicted"), [(201, True), (404, True), (429, False)])
def test_an_eviction_is_asked_for(ca: KeyPair, server: Server, status: int, evicted: bool) -> None:
    server.statuses[EVICTION] = status
    assert ask(access(ca, server.port), lambda kube: kube.evict(POD)) is evicted
    assert server.asked[0][3]["metadata"] == {"name": "web", "namespace": "shop"}


def watched(given: KubeAccess) -> list[str]:
    async def follow(kube: HttpKube) -> list[str]:
        return [name async for name in kube.changes()]

    found: list[str] = ask(given, follow)
    return found


def test_a_watch_names_the_nodes_that_change(ca: KeyPair, server: Server) -> None:
    lines = [
        {"type": "ADDED", "object": {"metadata": {"name": "web-1"}}},
        {"type": "MODIFIED", "object": {"metadata": {"name": "web-2"}}},
    ]
    server.answers["/api/v1/nodes"] = "".join(json.dumps(line) + "\n" for line in lines)
    assert watched(access(ca, server.port)) == ["web-1", "web-2"]
    assert "watch=1" in server.asked[0][1]


BAD_LINES = ["not json\n", "[]\n", "1\n", '{"object": null}\n', '{"object": {}}\n']


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_watch_that_cannot_be_read_ends_as_unreachable(
    ca: KeyPair, server: Server, line: str
) -> None:
    server.answers["/api/v1/nodes"] = line
    with pytest.raises(KubeUnreachable, match="watch nodes"):
        watched(access(ca, server.port))


def test_a_watch_that_is_refused_says_so(ca: KeyPair, server: Server) -> None:
    server.statuses["/api/v1/nodes"] = 403
    with pytest.raises(KubeUnreachable, match="403"):
        watched(access(ca, server.port))


ACTS: dict[str, Act] = {
    "look": lambda kube: kube.look(),
    "delete_node": lambda kube: kube.delete_node("web-1"),
    "cordon": lambda kube: kube.cordon("web-1"),
    "pods_on": lambda kube: kube.pods_on("web-1"),
    "evict": lambda kube: kube.evict(POD),
}
PATHS = [*SYSTEM, "/api/v1/nodes/web-1", "/api/v1/pods", EVICTION]


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
@pytest.mark.parametrize("answer", ["<html>", "[]", "7", '{"items": [{}]}', "cut"])
def test_an_answer_of_something_else_is_unreachable(
    ca: KeyPair, server: Server, act: Act, answer: str
) -> None:
    server.answers = dict.fromkeys(PATHS, answer)
    reads = {"look", "pods_on"}
    name = next(name for name, each in ACTS.items() if each is act)
    if answer.startswith("{") and name not in reads:
        ask(access(ca, server.port), act)  # a body that nobody reads is fine
        return
    with pytest.raises(KubeUnreachable):
        ask(access(ca, server.port), act)


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_a_refusal_is_unreachable_and_names_path_and_status(
    ca: KeyPair, server: Server, act: Act, status: int
) -> None:
    server.statuses = dict.fromkeys(PATHS, status)
    with pytest.raises(KubeUnreachable, match=str(status)):
        ask(access(ca, server.port), act)


def test_nobody_answers(ca: KeyPair) -> None:
    with pytest.raises(KubeUnreachable, match="/api/v1/nodes"):
        ask(access(ca, 1), lambda kube: kube.look())


def test_a_server_of_another_authority_is_not_believed(ca: KeyPair, server: Server) -> None:
    other = certificates.authority("kubernetes", NOW - HOUR)
    with pytest.raises(KubeUnreachable):
        ask(access(other, server.port), lambda kube: kube.look())
    assert server.asked == []


def test_an_answer_that_does_not_come_in_time(
    ca: KeyPair, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "LONGEST", 0.3)
    server.answers = dict.fromkeys(PATHS, "hang")
    with pytest.raises(KubeUnreachable):
        ask(access(ca, server.port), lambda kube: kube.look())


def test_a_closed_client_is_unreachable(ca: KeyPair, server: Server) -> None:
    async def act(kube: HttpKube) -> None:
        await kube.close()
        await kube.look()

    with pytest.raises(KubeUnreachable):
        ask(access(ca, server.port), act)


@dataclass
class Proxy:
    """An HTTP proxy that knows CONNECT."""

    lines: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.lines.append(head.splitlines()[0])
        host, port = head.split()[1].rsplit(":", 1)
        there = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    except ConnectionError:
        pass
    finally:
        sink.close()


def test_a_cluster_behind_a_proxy_is_reached_by_connect(ca: KeyPair, server: Server) -> None:
    async def whole() -> tuple[list[str], str]:
        proxy = Proxy()
        listener = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        given = access(ca, server.port, proxy=f"http://127.0.0.1:{port}")
        async with listener, client(given) as kube:
            version = (await kube.look()).version
        return proxy.lines, version

    lines, version = asyncio.run(whole())
    assert version == "v1.37.2"
    assert set(lines) == {f"CONNECT 127.0.0.1:{server.port} HTTP/1.1"}


def test_a_proxy_that_is_away_is_unreachable(ca: KeyPair, server: Server) -> None:
    with pytest.raises(KubeUnreachable):
        ask(access(ca, server.port, proxy="http://127.0.0.1:1"), lambda kube: kube.look())
    assert server.asked == []


def test_the_environment_names_no_proxy(
    ca: KeyPair, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert ask(access(ca, server.port), lambda kube: kube.look()).system_ready


def test_the_key_is_left_in_no_file(
    ca: KeyPair, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ask(access(ca, server.port), lambda kube: kube.look())
    assert [path.name for path in tmp_path.iterdir() if path.name != "server.pem"] == []
