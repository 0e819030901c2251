"""Call-backs: bound to key, path, counter and body; only the last one may be repeated."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.identity import call_back, signatures
from holdfast.identity.call_back import Bound, Fresh, Message, Refused, Repeat

KEY = signatures.new_key()
PUBLIC = signatures.public_key(KEY)
PATH = "/v1/agent/machines/m/call-backs"


def a_message(counter: int = 7, body: bytes = b"{}", path: str = PATH, key: str = KEY) -> Message:
    signature = signatures.sign(key, call_back.signed_bytes(path, counter, body))
    return Message(path, str(counter), body, signature)


def bound_at(counter: int, last: bytes = b"") -> Bound:
    digest = replace(a_message(), body=last).digest if last else ""
    return Bound(PUBLIC, counter, digest)


def test_a_signed_message_with_a_new_counter_is_fresh() -> None:
    assert call_back.verify(a_message(7), bound_at(6)) == Fresh(7)


@pytest.mark.fault("F57", "P")
def test_the_last_message_again_is_a_repeat() -> None:
    assert call_back.verify(a_message(7, b"x"), bound_at(7, b"x")) == Repeat()


@pytest.mark.fault("F57", "P")
@pytest.mark.parametrize(
    ("message", "bound"),
    [
        (a_message(6), bound_at(7)),
        (a_message(7, b"other"), bound_at(7, b"x")),
        (a_message(0), bound_at(0)),
    ],
)
def test_a_replay_is_refused(message: Message, bound: Bound) -> None:
    verdict = call_back.verify(message, bound)
    assert isinstance(verdict, Refused)
    assert verdict.reason.startswith("replayed")


@pytest.mark.fault("F56", "P")
@pytest.mark.parametrize(
    "message",
    [
        a_message(key=signatures.new_key()),
        replace(a_message(), path="/v1/agent/machines/other/call-backs"),
        replace(a_message(), body=b"[]"),
        replace(a_message(), counter="8"),
        replace(a_message(), signature=""),
        replace(a_message(), signature="!!"),
        replace(a_message(), signature="AAAA"),
    ],
)
def test_a_message_that_was_not_signed_so_is_refused(message: Message) -> None:
    assert call_back.verify(message, bound_at(0)) == Refused("not signed by this machine's key")


@pytest.mark.parametrize(
    "counter", ["", "-1", "+1", " 7", "1_0", "7.0", "\u0667", "9" * 19, "9" * 40]
)
def test_a_counter_that_is_no_number_is_refused(counter: str) -> None:
    message = replace(a_message(), counter=counter)
    assert call_back.verify(message, bound_at(0)) == Refused("the counter is not a number")


def test_nobody_calls_back_before_first_contact() -> None:
    assert isinstance(call_back.verify(a_message(), None), Refused)


@given(st.lists(st.integers(0, 50), max_size=30))
def test_no_sequence_of_messages_takes_effect_twice(counters: list[int]) -> None:
    bound, effects = bound_at(0), []
    for counter in counters:
        verdict = call_back.verify(a_message(counter, str(counter).encode()), bound)
        if isinstance(verdict, Fresh):
            effects.append(counter)
            bound = bound_at(counter, str(counter).encode())
    assert effects == sorted(set(effects))


def test_the_text_of_orders_is_canonical() -> None:
    one = call_back.orders_text("m", 7, [{"id": "1", "kind": "k", "arguments": {"b": 1, "a": 2}}])
    other = call_back.orders_text("m", 7, [{"arguments": {"a": 2, "b": 1}, "kind": "k", "id": "1"}])
    assert one == other
    assert one.startswith(b"m\n7\n[")
