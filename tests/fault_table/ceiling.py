"""The most that may wait: what waited when the list was last shortened. It is never raised."""

from collections.abc import Collection, Iterable
from pathlib import Path

Waiter = tuple[str, str]  # fault and level
PATH = Path(__file__).with_name("ceiling.txt")


def read() -> set[Waiter]:
    """What may wait: a fault and a level each."""
    words = (line.split() for line in PATH.read_text().splitlines())
    return {(fault, level) for fault, level in words}


def lower(waiting: Collection[Waiter]) -> None:
    """Forget what waits no more."""
    _write(read() & set(waiting))


def _write(waiters: Iterable[Waiter]) -> None:
    PATH.write_text("".join(f"{fault} {level}\n" for fault, level in sorted(waiters)))
