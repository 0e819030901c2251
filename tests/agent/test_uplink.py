"""The uplink: signed messages, the same bytes until answered, orders only when signed."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.agent.programs import MACHINE, Answer, Web, a_directory

from holdfast.agent.crypto import Key, is_signed
from holdfast.agent.state import State
from holdfast.agent.uplink import Refused, Unreachable, Uplink
from holdfast.identity import call_back, signatures

PATH = f"/v1/agent/machines/{MACHINE}/call-backs"
INSTALLATION = signatures.new_key()


class Talk:
    """An uplink and the platform at its other end."""

    def __init__(self, path: Path, *answers: Answer) -> None:
        self.answers = list(answers)
        self.web = Web(lambda *_: self.answers.pop(0) if self.answers else ok({}))
        self.directory = a_directory(path, f"https://127.0.0.1:{self.web.port}")
        self.heard: list[dict[str, Any]] = []

    @contextmanager
    def open(self) -> Iterator[Uplink]:
        """The agent's end, while the platform serves."""
        with self.web.serving(self.directory), self.again() as uplink:
            yield uplink

    @contextmanager
    def again(self) -> Iterator[Uplink]:
        """The agent's end after a start."""
        state = State(self.directory)
        state.note(contact={"orderKey": signatures.public_key(INSTALLATION)})
        uplink = Uplink(state, Key(self.directory), self.heard.append)
        try:
            yield uplink
        finally:
            uplink.close()


def ok(answer: Mapping[str, Any]) -> Answer:
    return 200, {}, json.dumps(answer).encode()


LOST: Answer = (0, {}, b"")


def test_a_message_is_signed_as_the_platform_verifies_it(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    with talk.open() as uplink:
        uplink.call("step", 5, name="prepare")
    _, path, headers, body = talk.web.asked[0]
    public = Key(talk.directory).public
    message = call_back.Message(
        path, headers["holdfast-counter"], body, headers["holdfast-signature"]
    )
    assert isinstance(call_back.verify(message, call_back.Bound(public, 0, "")), call_back.Fresh)
    assert json.loads(body)["name"] == "prepare"
    assert hashlib.sha256(body).hexdigest() == message.digest


@pytest.mark.fault("F57", "P")
def test_a_lost_answer_is_asked_for_with_the_same_bytes(tmp_path: Path) -> None:
    talk = Talk(tmp_path, LOST, LOST, (503, {"Retry-After": "0.1"}, b""), ok({"join": False}))
    with talk.open() as uplink:
        assert uplink.call("may-join", 20)["join"] is False
    sent = {
        (body, headers["holdfast-counter"], headers["holdfast-signature"])
        for _, _, headers, body in talk.web.asked
    }
    assert len(talk.web.asked) == 4
    assert len(sent) == 1


def test_a_connection_that_the_platform_closed_while_idle_is_no_failure(tmp_path: Path) -> None:
    talk = Talk(tmp_path, ok({}), LOST, ok({"second": True}))
    with talk.open() as uplink:
        uplink.call("heartbeat", 0)
        assert uplink.call("heartbeat", 0) == {"second": True, "orders": []}


def test_counters_only_grow_also_after_a_restart_with_a_clock_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = Talk(tmp_path)
    with talk.open() as uplink:
        uplink.call("heartbeat", 5)
        monkeypatch.setattr("holdfast.agent.state.time.time", lambda: 1.0)
        with talk.again() as restarted:
            restarted.call("heartbeat", 5)
    first, second = (int(headers["holdfast-counter"]) for _, _, headers, _ in talk.web.asked)
    assert second == first + 1


def test_a_refusal_is_not_retried(tmp_path: Path) -> None:
    talk = Talk(tmp_path, (403, {"Date": "Thu, 01 Jan 2026 00:00:00 GMT"}, b"{}"))
    with talk.open() as uplink, pytest.raises(Refused):
        uplink.call("heartbeat", 20)
    assert len(talk.web.asked) == 1


@pytest.mark.fault("F43", "P")
def test_the_clocks_difference_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.agent.uplink.time.time", lambda: 1767225730.0)

    with Talk(tmp_path).open() as uplink:
        uplink._note_clock("Thu, 01 Jan 2026 00:00:00 GMT")
        assert uplink.skew == 130.0
        uplink._note_clock("no date")
        assert uplink.skew == 130.0


def test_an_unreachable_platform_is_told_after_the_time_given(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    with talk.open():
        pass
    with talk.again() as uplink, pytest.raises(Unreachable):
        uplink.call("heartbeat", 0)


def test_another_ca_is_not_believed(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    other = Web(lambda *_: ok({}))
    (tmp_path / "other").mkdir()
    with (
        talk.web.serving(tmp_path / "other"),
        other.serving(talk.directory),
        talk.again() as uplink,
        pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        uplink.call("heartbeat", 0)
    assert talk.web.asked == []


ORDERS = [{"id": "o1", "kind": "remove-etcd-member", "arguments": {"name": "n"}}]


@pytest.mark.parametrize("forgery", ["", "other key", "other counter", "other machine"])
def test_orders_count_only_with_the_installations_signature(forgery: str, tmp_path: Path) -> None:
    talk = Talk(tmp_path)

    def answer(_: str, __: str, headers: Mapping[str, str], ___: bytes) -> Answer:
        counter = int(headers["holdfast-counter"]) + (forgery == "other counter")
        machine = "other" if forgery == "other machine" else MACHINE
        key = signatures.new_key() if forgery == "other key" else INSTALLATION
        text = call_back.orders_text(machine, counter, ORDERS)
        return ok({"orders": ORDERS, "ordersSignature": signatures.sign(key, text)})

    talk.web.answer = answer
    with talk.open() as uplink:
        uplink.call("heartbeat", 5)
    assert talk.heard[0]["orders"] == ([] if forgery else ORDERS)


def test_the_key_is_made_once_and_for_root_alone(tmp_path: Path) -> None:
    key = Key(tmp_path)
    signature = key.sign(b"message")
    assert Key(tmp_path).public == key.public
    assert signatures.verify(key.public, b"message", signature)
    assert is_signed(key.public, b"message", signature)
    assert not is_signed(key.public, b"massage", signature)
    assert not is_signed(key.public, b"message", "!!")
    assert not is_signed("no key", b"message", signature)
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
