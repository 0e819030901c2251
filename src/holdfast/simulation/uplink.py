"""A simulated agent's connection to the platform: the real messages, really signed."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from holdfast.clock import Clock
from holdfast.identity import call_back, signatures
from holdfast.simulation import papers
from holdfast.simulation.machines import Guest
from holdfast.simulation.time import SeededChance

FIRST_PAUSE = 0.25  # seconds, at most, before the first repeat
LONGEST_PAUSE = 5.0  # seconds between two tries of the same message
SAME_MESSAGE = 20.0  # seconds after which a new message with a new counter is sent instead

Answer = dict[str, Any]


class Unreachable(Exception):
    """No answer: nobody knows what became of the message."""


class Refused(Exception):
    """The platform does not accept this machine's word."""


class Later(Exception):
    """The platform asks to try again."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One message as it went over the wire; a thief may keep it."""

    machine: str
    verb: str  # "first-contact" or "call-backs"
    headers: Mapping[str, str]
    body: bytes
    source: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What the platform answered."""

    status: int
    body: bytes


class Door(Protocol):
    """The way to the platform; Unreachable when it is not there, or dies while it answers."""

    async def send(self, message: Sent) -> Reply:
        """Deliver one message."""
        ...


class Uplink:
    """Signs, numbers and repeats as the agent on a machine does; keeps its key over reboots."""

    def __init__(self, guest: Guest, door: Door, clock: Clock, chance: SeededChance) -> None:
        self._guest = guest
        self._door = door
        self._clock = clock
        self._chance = chance
        self._key = Ed25519PrivateKey.from_private_bytes(chance.bytes(32))
        self._counter = 0
        self.skew = 0.0  # seconds that the machine's clock is ahead
        self.contact: Answer = {}
        self.sent: Sent | None = None  # the last one, for who overhears it

    @property
    def public_key(self) -> str:
        """PEM."""
        key = self._key.public_key()
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @property
    def now_ms(self) -> int:
        """The machine's own clock."""
        return int((self._clock.now().timestamp() + self.skew) * 1000)

    async def first_contact(self, boot_id: str, challenge: str = "") -> None:
        """Prove who this machine is. Raises Refused, Later, Unreachable.

        `challenge` is what its metadata shows of the challenge tag.
        """
        body = {
            "nonce": self._guest.settings["nonce"],
            "publicKey": self.public_key,
            "cloud": self._guest.resource.offering.cloud.value,
            "proof": dict(papers.proof(self._guest, challenge, self._clock.now())),
            "bootId": boot_id,
            "at": self.now_ms,
        }
        message = self._message("first-contact", {}, json.dumps(body).encode())
        self.contact = await self._post(message)

    async def call(self, kind: str, patience: float = 0.0, **fields: object) -> Answer:
        """Send one call-back; tries for `patience` seconds, at least once.

        Raises Refused, Unreachable.
        """
        until = self._clock.monotonic() + patience
        while True:
            message = self.signed(kind, fields)
            same_until = min(until, self._clock.monotonic() + SAME_MESSAGE)
            try:
                return self._checked(await self._insist(message, same_until), self._counter)
            except Unreachable:
                if self._clock.monotonic() + FIRST_PAUSE >= until:
                    raise  # `_insist` would not even wait: no time would pass for ever

    def signed(self, kind: str, fields: Mapping[str, object]) -> Sent:
        """A new message with the next counter."""
        self._counter = max(self._counter + 1, self.now_ms)
        body = json.dumps({"kind": kind, "at": self.now_ms, **fields}).encode()
        path = f"/v1/agent/machines/{self._guest.machine}/call-backs"
        text = call_back.signed_bytes(path, self._counter, body)
        headers = {
            "holdfast-counter": str(self._counter),
            "holdfast-signature": base64.b64encode(self._key.sign(text)).decode(),
        }
        return self._message("call-backs", headers, body)

    async def _insist(self, message: Sent, until: float) -> Answer:
        pause = FIRST_PAUSE
        while True:
            try:
                return await self._post(message)
            except (Later, Unreachable):
                wait = pause * (0.5 + self._chance.random() / 2)
                pause = min(LONGEST_PAUSE, pause * 2)
            if self._clock.monotonic() + wait >= until:
                raise Unreachable("the platform does not answer")
            await self._clock.sleep(wait)

    async def _post(self, message: Sent) -> Answer:
        if not self._guest.lives:
            raise Unreachable("this machine's link is down")
        self.sent = message
        reply = await self._door.send(message)
        if reply.status == 403:
            raise Refused("refused")
        if reply.status in {425, 429, 503}:
            raise Later(str(reply.status))
        if reply.status != 200:
            raise Unreachable(f"the platform answered {reply.status}")
        answer: Answer = json.loads(reply.body)
        return answer

    def _checked(self, answer: Answer, counter: int) -> Answer:
        """The answer, with its orders only when the installation signed them."""
        orders = answer.get("orders") or []
        if orders:
            text = call_back.orders_text(self._guest.machine, counter, orders)
            key = str(self.contact.get("orderKey", ""))
            if not signatures.verify(key, text, str(answer.get("ordersSignature", ""))):
                orders = []
        return {**answer, "orders": orders}

    def _message(self, verb: str, headers: Mapping[str, str], body: bytes) -> Sent:
        return Sent(self._guest.machine, verb, headers, body, self._guest.private_ip)
