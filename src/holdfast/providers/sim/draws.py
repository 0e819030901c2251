"""Seeded chance that depends on what is drawn for, never on the order of drawing.

A run that is perturbed at one place therefore draws the same everywhere else.
"""

import hashlib

_SCALE = 1 << 64


class Draws:
    """All chance of one world."""

    def __init__(self, seed: int) -> None:
        self._key = str(seed).encode()

    def unit(self, *about: object) -> float:
        """A number x with 0 <= x < 1, always the same for the same words."""
        digest = hashlib.blake2b(_text(about), digest_size=8, key=self._key).digest()
        return int.from_bytes(digest, "big") / _SCALE

    def between(self, low: float, high: float, *about: object) -> float:
        """A number from low to high."""
        return low if low == high else low + (high - low) * self.unit(*about)

    def hex(self, digits: int, *about: object) -> str:
        """So many hexadecimal digits, at most 64."""
        return hashlib.blake2b(_text(about), digest_size=32, key=self._key).hexdigest()[:digits]


def _text(about: tuple[object, ...]) -> bytes:
    return "\x1f".join(map(str, about)).encode()
