"""Frozen dataclasses to JSON text and back, by their types: the shape of JSON columns.

Dates come back aware, Decimals and networks as themselves, lists as tuples where the type says
so. A value that does not fit its type raises instead of being stored.

The same texts are read again and again, pass after pass: what was decoded last is remembered. That
is safe because values of the model are frozen.
"""

import json
from functools import lru_cache
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")
REMEMBERED = 4096  # texts; a specification has about two thousand bytes


class Codec(Generic[T]):
    """Encodes and decodes values of one type.

    remembered  how many decoded values are kept
    """

    def __init__(self, type_: Any, remembered: int = REMEMBERED) -> None:
        self._adapter: TypeAdapter[T] = TypeAdapter(type_)
        self._decoded = lru_cache(remembered)(self._adapter.validate_json)

    def encode(self, value: T) -> str:
        """JSON text; the same value gives the same text."""
        return self._adapter.dump_json(value).decode()

    def decode(self, text: str) -> T:
        """The value that `encode` was given. Raises ValueError naming the field that misfits."""
        return self._decoded(text)


def canonical(value: Any) -> str:
    """JSON of plain values, keys sorted, no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
