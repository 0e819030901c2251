"""Frozen dataclasses to JSON text and back, by their types: the shape of JSON columns.

Dates come back aware, Decimals and networks as themselves, lists as tuples where the type says
so. A value that does not fit its type raises instead of being stored.
"""

import json
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")


class Codec(Generic[T]):
    """Encodes and decodes values of one type."""

    def __init__(self, type_: Any) -> None:
        self._adapter: TypeAdapter[T] = TypeAdapter(type_)

    def encode(self, value: T) -> str:
        """JSON text; the same value gives the same text."""
        return self._adapter.dump_json(value).decode()

    def decode(self, text: str) -> T:
        """The value that `encode` was given. Raises ValueError naming the field that misfits."""
        return self._adapter.validate_json(text)


def canonical(value: Any) -> str:
    """JSON of plain values, keys sorted, no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
