"""Session tokens of IMDSv2: made for one machine, valid for a time, and kept nowhere.

A token carries its expiry and a seal over expiry and machine id, so nothing has to be remembered.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable

LONGEST_SECONDS = 21_600  # six hours, the limit of IMDSv2


class Tokens:
    """Gives and checks tokens.

    secret  lives as long as the process, as its machines do
    now     Unix time in seconds
    """

    def __init__(self, secret: bytes, now: Callable[[], float]) -> None:
        self._secret = secret
        self._now = now

    def give(self, machine_id: str, seconds: int) -> str:
        """A token of this machine for that many seconds."""
        expires = int(self._now()) + seconds
        raw = expires.to_bytes(8, "big") + self._seal(machine_id, expires)
        return base64.urlsafe_b64encode(raw).decode()

    def holds(self, machine_id: str, token: str) -> bool:
        """Whether the token was given to this machine and has not expired."""
        try:
            raw = base64.urlsafe_b64decode(token.encode())
        except ValueError:
            return False
        expires = int.from_bytes(raw[:8], "big")
        return expires > self._now() and hmac.compare_digest(
            raw[8:], self._seal(machine_id, expires)
        )

    def _seal(self, machine_id: str, expires: int) -> bytes:
        return hmac.digest(self._secret, f"{machine_id}/{expires}".encode(), hashlib.sha256)


def seconds_asked(header: str | None) -> int | None:
    """The time to live that a token request asks for, None when it is missing or out of range."""
    if header is None or not header.isascii() or not header.isdigit():
        return None
    seconds = int(header)
    return seconds if 1 <= seconds <= LONGEST_SECONDS else None
