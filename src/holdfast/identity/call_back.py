"""Is a call-back new, the repeat of the last one, or refused? Signature and counter decide.

A machine's counter only grows; it is persisted in the transaction of the message's effect, so that
a recorded message is of no use later. The one exception is the last message itself, whose answer
may have been lost: it gets the same answer again and has no second effect (faults F57).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.identity import signatures

LARGEST_COUNTER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Message:
    """A call-back as it came. `counter` is the header's text; `signature` is base64."""

    path: str
    counter: str
    body: bytes
    signature: str

    @property
    def digest(self) -> str:
        """The hex SHA-256 of the body."""
        return hashlib.sha256(self.body).hexdigest()


@dataclass(frozen=True, slots=True)
class Bound:
    """What is stored of a machine's key: its last counter and that message's digest."""

    public_key: str
    counter: int
    last_digest: str


@dataclass(frozen=True, slots=True)
class Fresh:
    """A new message with its counter."""

    counter: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """The last message again."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Not to be obeyed. `reason` is for our records, never for the caller."""

    reason: str


Verdict = Fresh | Repeat | Refused


def signed_bytes(path: str, counter: int, body: bytes) -> bytes:
    """What the machine signs: bound to the path, to the counter and to the body."""
    return f"POST\n{path}\n{counter}\n{hashlib.sha256(body).hexdigest()}".encode()


def verify(message: Message, bound: Bound | None) -> Verdict:
    """Decides on a call-back."""
    if bound is None:
        return Refused("call-back before first contact")
    counter = _number(message.counter)
    if counter is None:
        return Refused("the counter is not a number")
    signed = signed_bytes(message.path, counter, message.body)
    if not signatures.verify(bound.public_key, signed, message.signature):
        return Refused("not signed by this machine's key")
    if counter > bound.counter:
        return Fresh(counter)
    if counter == bound.counter and message.digest == bound.last_digest:
        return Repeat()
    return Refused(f"replayed: counter {counter}, the last was {bound.counter}")


def _number(text: str) -> int | None:
    # Digits only: int() would also take signs, spaces and underscores.
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        return None
    return int(text) if int(text) <= LARGEST_COUNTER else None


def orders_text(machine: str, counter: int, orders: Sequence[Mapping[str, Any]]) -> bytes:
    """What the installation signs of the orders in an answer."""
    canonical = json.dumps(list(orders), sort_keys=True, separators=(",", ":"))
    return f"{machine}\n{counter}\n{canonical}".encode()
