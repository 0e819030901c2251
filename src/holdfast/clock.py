"""The only doors to time and chance: everything else is handed one of these.

A test or a simulation hands in its own: time that jumps, chance that repeats by seed.
"""

import asyncio
import base64
import secrets
import time
import uuid
from datetime import UTC, datetime
from typing import Protocol

_MANTISSA_BITS = 53  # the bits of a float that `random` fills


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> datetime:
        """The wall clock, aware, UTC. It may jump: never measure a duration with it."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back. Meaningless outside this process."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds; zero and less only let others run."""
        ...


class Chance(Protocol):
    """Where identities, keys, tokens and jitter come from."""

    def uuid(self) -> str:
        """A lower-case random UUID, never handed out twice."""
        ...

    def token(self, bytes_: int) -> str:
        """So many random bytes as URL-safe base64 without padding."""
        ...

    def random(self) -> float:
        """A number x with 0 <= x < 1."""
        ...

    def bytes(self, n: int) -> bytes:
        """So many random bytes, fit for keys."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """The wall clock, aware, UTC."""
        return datetime.now(UTC)  # noqa: TID251  (this is the door)

    def monotonic(self) -> float:
        """Seconds of the kernel's monotonic clock."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the event loop's timer."""
        await asyncio.sleep(max(0.0, seconds))


class SystemChance:
    """The kernel's random numbers."""

    def uuid(self) -> str:
        """A random UUID, version 4."""
        return str(uuid.uuid4())  # noqa: TID251  (this is the door)

    def token(self, bytes_: int) -> str:
        """So many random bytes as URL-safe base64 without padding."""
        return base64.urlsafe_b64encode(self.bytes(bytes_)).rstrip(b"=").decode()

    def random(self) -> float:
        """A number x with 0 <= x < 1."""
        return secrets.randbits(_MANTISSA_BITS) / (1 << _MANTISSA_BITS)

    def bytes(self, n: int) -> bytes:
        """So many random bytes."""
        return secrets.token_bytes(n)
