"""Speaks with the platform: first contact, then signed call-backs, one after the other.

Every message is retried with the same counter and the same bytes for a while: when only its answer
was lost, the platform gives that answer again and does nothing twice. After that it is signed anew.
"""

import email.utils
import hashlib
import http.client
import json
import logging
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from holdfast.agent.crypto import Key, is_signed
from holdfast.agent.state import State

SECONDS = 10.0
UNACKNOWLEDGED_MS = 3000  # a way that leads nowhere any more, as when our public address changed
SAME_MESSAGE = 45.0  # seconds that one signed message is repeated; its clock must stay fresh
LONGEST_PAUSE = 5.0  # other messages wait behind the one that is retried

log = logging.getLogger(__name__)

Answer = dict[str, Any]


class Unreachable(Exception):
    """No answer of the platform within the time given."""


class Refused(Exception):
    """The platform does not accept this machine, for now or for good."""


class Later(Exception):
    """The platform asks to come again after so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"again in {seconds} s")
        self.seconds = seconds


class Uplink:
    """The one way to the platform; safe to use from several threads."""

    def __init__(self, state: State, key: Key, on_answer: Callable[[Answer], None]) -> None:
        self._state = state
        self._key = key
        self._on_answer = on_answer
        self._lock = threading.Lock()
        self._connection: http.client.HTTPSConnection | None = None
        self._tls = ssl.create_default_context(cafile=str(state.directory / "ca.pem"))
        self.skew = 0.0  # seconds that our clock is ahead of the platform's

    def first_contact(self, proof: dict[str, str], boot: str) -> Answer:
        """Prove who this machine is. Raises Refused, Later, Unreachable."""
        body = {
            "nonce": self._state.settings["nonce"],
            "publicKey": self._key.public,
            "cloud": "aws",
            "proof": proof,
            "bootId": boot,
            "at": int(time.time() * 1000),
        }
        path = f"/v1/agent/machines/{self._state.machine}/first-contact"
        with self._lock:
            try:
                return self._post(path, json.dumps(body).encode(), {})
            except (OSError, http.client.HTTPException) as error:
                self._close()
                raise Unreachable(f"{type(error).__name__}: {error}") from error

    def call(self, kind: str, patience: float, **fields: object) -> Answer:
        """Send one call-back and return its answer.

        patience  seconds of trying; 0 tries once

        Raises Refused, Unreachable.
        """
        until = time.monotonic() + patience
        with self._lock:
            answer = self._signed(kind, fields, until)
        self._on_answer(answer)
        return answer

    def _signed(self, kind: str, fields: dict[str, object], until: float) -> Answer:
        path = f"/v1/agent/machines/{self._state.machine}/call-backs"
        while True:
            counter = self._state.next_counter()
            body = json.dumps({"kind": kind, "at": int(time.time() * 1000), **fields}).encode()
            digest = hashlib.sha256(body).hexdigest()
            signature = self._key.sign(f"POST\n{path}\n{counter}\n{digest}".encode())
            headers = {"Holdfast-Counter": str(counter), "Holdfast-Signature": signature}
            same_until = min(until, time.monotonic() + SAME_MESSAGE)
            try:
                return self._checked(self._insist(path, body, headers, same_until), counter)
            except Unreachable:
                if time.monotonic() >= until:
                    raise

    def _insist(self, path: str, body: bytes, headers: dict[str, str], until: float) -> Answer:
        """Post the same bytes until they are answered or the time is over."""
        pause = 0.25
        while True:
            try:
                return self._post(path, body, headers)
            except Later as later:
                wait, reason = later.seconds, str(later)
            except (OSError, http.client.HTTPException, ValueError) as error:
                self._close()
                wait, reason = random.uniform(0.5, 1.0) * pause, f"{type(error).__name__}: {error}"
                pause = min(LONGEST_PAUSE, pause * 2)
            if time.monotonic() + wait >= until:
                raise Unreachable(reason)
            time.sleep(wait)

    def _checked(self, answer: Answer, counter: int) -> Answer:
        """The answer with its orders only when the installation signed them."""
        orders = answer.get("orders") or []
        if orders:
            canonical = json.dumps(orders, sort_keys=True, separators=(",", ":"))
            text = f"{self._state.machine}\n{counter}\n{canonical}".encode()
            key = str(self._state.contact.get("orderKey", ""))
            if not is_signed(key, text, str(answer.get("ordersSignature", ""))):
                log.error("orders are not signed by the installation: ignored")
                orders = []
        return {**answer, "orders": orders}

    def _post(self, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        headers = {"Content-Type": "application/json", **headers}
        was_open = self._connection is not None
        try:
            response = self._sent(path, body, headers)
        except (OSError, http.client.BadStatusLine) as error:
            # An idle connection may have been closed, or its way may have died: that is no failure.
            self._close()
            if not was_open or not _is_broken(error):
                raise
            response = self._sent(path, body, headers)
        data = response.read()
        self._note_clock(response.getheader("Date"))
        if response.status == 200:
            answer: Answer = json.loads(data)
            return answer
        if response.status in (425, 429, 503):
            raise Later(_seconds(response.getheader("Retry-After")))
        if response.status == 403:
            raise Refused(f"refused (our clock is {self.skew:+.0f} s off the platform's)")
        raise OSError(f"the platform answered {response.status}")

    def _sent(self, path: str, body: bytes, headers: dict[str, str]) -> http.client.HTTPResponse:
        connection = self._open()
        connection.request("POST", path, body, headers)
        return connection.getresponse()

    def _open(self) -> http.client.HTTPSConnection:
        if self._connection is None:
            parts = urlsplit(self._state.settings["platform"])
            self._connection = http.client.HTTPSConnection(
                parts.hostname or "", parts.port or 443, timeout=SECONDS, context=self._tls
            )
            self._connection.connect()
            self._connection.sock.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS
            )
        return self._connection

    def close(self) -> None:
        """Give the connection back; the next message opens another."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _note_clock(self, date: str | None) -> None:
        if date:
            try:
                self.skew = time.time() - email.utils.parsedate_to_datetime(date).timestamp()
            except ValueError:
                log.warning("the platform's Date header cannot be read: %r", date)


def _is_broken(error: Exception) -> bool:
    """True when the connection is gone, False when an answer only takes too long."""
    if isinstance(error, TimeoutError):
        return error.errno is not None  # the kernel's word; Python's own time-out has no number
    return isinstance(error, ConnectionError | http.client.BadStatusLine)


def _seconds(header: str | None) -> float:
    try:
        return max(0.1, float(header or 1))
    except ValueError:
        return 1.0
