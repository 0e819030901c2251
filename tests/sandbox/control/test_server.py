"""The control server: its token, its refusals, its JSON; nothing for a browser."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from holdfast_sandbox.control.bodies import CallbackBody
from holdfast_sandbox.control.server import Ask, ControlServer, Refused


def broken(ask: Ask) -> object:
    raise RuntimeError("broken on purpose")


def refused(ask: Ask) -> object:
    raise Refused(409, "not now")


@pytest.fixture(scope="module")
def server() -> Iterator[ControlServer]:
    routes = {
        ("GET", "/echo/*"): lambda ask: {"parts": ask.parts, "query": dict(ask.query)},
        ("POST", "/body"): lambda ask: {"body": ask.body},
        ("POST", "/checked"): lambda ask: CallbackBody.model_validate(ask.body).target,
        ("GET", "/broken"): broken,
        ("GET", "/refused"): refused,
    }
    made = ControlServer(0, "the-token", routes)
    made.start()
    yield made
    made.close()


class Answer:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.json = json.loads(body)


def ask(
    server: ControlServer,
    method: str,
    path: str,
    body: bytes = b"",
    token: str | None = "Bearer the-token",
) -> Answer:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, path, body, {"Authorization": token} if token else {})
    got = connection.getresponse()
    answer = Answer(got.status, {k.lower(): v for k, v in got.getheaders()}, got.read())
    connection.close()
    return answer


@pytest.mark.parametrize(
    "token", [None, "", "Bearer", "Bearer ", "Bearer wrong", "the-token", "Bearer the-token2"]
)
def test_without_the_token_nothing_is_answered(server: ControlServer, token: str | None) -> None:
    for path in ("/echo/a", "/nothing"):
        answer = ask(server, "GET", path, token=token)
        assert answer.status == 401
        assert "the-token" not in json.dumps(answer.json)


def test_it_listens_on_loopback_only_and_sends_no_cors_headers(server: ControlServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    answer = ask(server, "GET", "/echo/a")
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_parts_and_query_reach_the_answer(server: ControlServer) -> None:
    answer = ask(server, "GET", "/echo/i-1/?a=1&a=2&b=x%3Dy")
    assert answer.json == {"parts": ["i-1"], "query": {"a": "2", "b": "x=y"}}


def test_an_unknown_path_names_the_known_ones(server: ControlServer) -> None:
    answer = ask(server, "GET", "/nothing")
    assert answer.status == 404
    assert "/echo/*" in answer.json["error"]


def test_a_wrong_method_names_the_right_one(server: ControlServer) -> None:
    answer = ask(server, "DELETE", "/body")
    assert answer.status == 405
    assert "POST" in answer.json["error"]


def test_refusals_and_failures_say_what_went_wrong(server: ControlServer) -> None:
    assert (ask(server, "GET", "/refused")).status == 409
    answer = ask(server, "GET", "/broken")
    assert answer.status == 500
    assert answer.json["error"] == "RuntimeError: broken on purpose"
    assert ask(server, "GET", "/echo/still-there").status == 200


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"{'a': 1}"])
def test_a_body_that_is_no_json_is_400(server: ControlServer, body: bytes) -> None:
    answer = ask(server, "POST", "/body", body)
    assert answer.status == 400
    assert "not JSON" in answer.json["error"]


@pytest.mark.parametrize("body", [b"[]", b"1", b'"text"', b"null", b"{}"])
def test_a_body_of_the_wrong_shape_is_400(server: ControlServer, body: bytes) -> None:
    assert ask(server, "POST", "/checked", body).status == 400


def test_a_body_that_is_too_long_is_413(server: ControlServer) -> None:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    headers = {"Authorization": "Bearer the-token", "Content-Length": str(1 << 30)}
    connection.request("POST", "/body", b"", headers)
    assert connection.getresponse().status == 413
    connection.close()
