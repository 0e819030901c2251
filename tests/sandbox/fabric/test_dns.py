"""The resolver's answers to whole and broken messages."""

import struct
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast_sandbox.fabric.dns import answer

NAMES = {"api.sandbox": IPv4Address("198.18.0.2")}
A, AAAA = 1, 28


def query(name: str, kind: int = A, flags: int = 0x0100, questions: int = 1) -> bytes:
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    head = struct.pack("!6H", 0x1234, flags, questions, 0, 0, 0)
    return head + labels + b"\0" + struct.pack("!2H", kind, 1)


def code(message: bytes | None) -> int:
    assert message is not None
    return message[3] & 15


def test_a_known_name_has_its_address() -> None:
    asked = query("API.Sandbox")
    message = answer(asked, NAMES)
    assert message is not None
    assert message[:2] == b"\x12\x34"
    assert message[2:4] == b"\x85\x80"  # response, authoritative, recursion wanted and offered
    assert message[4:12] == struct.pack("!4H", 1, 1, 0, 0)
    assert message[12:].startswith(asked[12:])
    assert message[-4:] == IPv4Address("198.18.0.2").packed


def test_a_known_name_without_such_a_record_is_empty_and_no_error() -> None:
    message = answer(query("api.sandbox", AAAA), NAMES)
    assert code(message) == 0
    assert message is not None
    assert message[6:8] == b"\0\0"


@pytest.mark.parametrize("name", ["archive.example", "sandbox", "x.api.sandbox"])
def test_every_other_name_does_not_exist(name: str) -> None:
    assert code(answer(query(name), NAMES)) == 3


def test_what_can_not_be_read_is_a_format_error() -> None:
    assert code(answer(query("a.b", questions=2), NAMES)) == 1
    assert code(answer(query("a.b")[:-2], NAMES)) == 1
    pointer = struct.pack("!6H", 1, 0, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1"
    assert code(answer(pointer, NAMES)) == 1
    assert code(answer(query("a.b", flags=0x2800), NAMES)) == 4  # an update


@given(st.binary(max_size=80))
def test_no_message_breaks_it_or_gets_a_server_failure(message: bytes) -> None:
    reply = answer(message, NAMES)
    if len(message) < 12 or message[2] & 0x80:
        assert reply is None
    else:
        assert code(reply) in {0, 1, 3, 4}
