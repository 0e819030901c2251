"""Faults on request: plain data in one table that any thread may change and the front reads."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from threading import Lock


class Kind(StrEnum):
    """What goes wrong."""

    LOST_REQUEST = "lost-request"  # nothing happens, the connection closes
    LOST_RESPONSE = "lost-response"  # it happens, the connection closes
    DELAY = "delay"  # `value` seconds before the call is looked at
    ERROR = "error"  # `code`, `message`, `status`
    THROTTLE = "throttle"  # RequestLimitExceeded
    OUTAGE = "outage"  # 503 Unavailable
    STALE = "stale"  # the listing answered before, once more
    VISIBILITY = "visibility"  # new things unseen, gone things seen, for up to `value` seconds
    CAPACITY = "capacity"  # only `value` more of `type` in `zone` for `market`
    QUOTA = "quota"  # the quota with code `type` is `value`
    CLOCK = "clock"  # the cloud's clock is `value` seconds ahead
    DENY = "deny"  # `action` is explicitly denied, as by a changed policy
    IMPAIRED = "impaired"  # status checks of `subject` fail
    IMAGE_GONE = "image-gone"  # image `subject` is no longer there


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; patterns are globs. It ends after `count` calls, or when it is removed."""

    kind: Kind
    id: str = ""
    account: str = "*"
    region: str = "*"
    service: str = "*"
    action: str = "*"
    subject: str = "*"
    type: str = "*"
    zone: str = "*"
    market: str = "*"
    code: str = ""
    message: str = ""
    status: int = 500
    value: float = 0
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What faults are matched with; `subjects` are all ids, names and values of a call."""

    account: str = ""
    region: str = ""
    service: str = ""
    action: str = ""
    subjects: tuple[str, ...] = ()
    type: str = ""
    zone: str = ""
    market: str = ""


def matches(fault: Fault, facts: Facts) -> bool:
    """Whether `fault` is about these facts. A fact that is not known matches any pattern."""
    plain = ("account", "region", "service", "action", "type", "zone", "market")
    for name in plain:
        fact = getattr(facts, name)
        if fact and not fnmatchcase(fact, getattr(fault, name)):
            return False
    return fault.subject == "*" or any(
        fnmatchcase(subject, fault.subject) for subject in facts.subjects
    )


class FaultTable:
    """All faults now in force, oldest first."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._faults: dict[str, Fault] = {}
        self._made = 0

    def add(self, fault: Fault) -> str:
        """Put a fault in force; returns its id (a given id replaces the older fault)."""
        with self._lock:
            self._made += 1
            name = fault.id or f"fault-{self._made}"
            self._faults[name] = replace(fault, id=name)
            return name

    def remove(self, name: str) -> bool:
        """Take a fault back; False if it was not there (or had ended)."""
        with self._lock:
            return self._faults.pop(name, None) is not None

    def clear(self) -> None:
        """Take all back."""
        with self._lock:
            self._faults.clear()

    def all(self) -> tuple[Fault, ...]:
        """The faults in force, with the counts that remain."""
        with self._lock:
            return tuple(self._faults.values())

    def find(self, kinds: Iterable[Kind], facts: Facts) -> Fault | None:
        """The first fault of these kinds about `facts`; uses up nothing."""
        return next(self._matching(frozenset(kinds), facts), None)

    def take(self, kinds: Iterable[Kind], facts: Facts) -> Fault | None:
        """As `find`, and counts the fault down."""
        fault = self.find(kinds, facts)
        if fault is not None:
            self._count_down(fault)
        return fault

    def _matching(self, kinds: frozenset[Kind], facts: Facts) -> Iterator[Fault]:
        return (
            fault
            for fault in self.all()
            if fault.kind in kinds and fault.count != 0 and matches(fault, facts)
        )

    def _count_down(self, fault: Fault) -> None:
        with self._lock:
            present = self._faults.get(fault.id)
            if present is None or present.count is None:
                return
            if present.count <= 1:
                del self._faults[fault.id]
            else:
                self._faults[fault.id] = replace(present, count=present.count - 1)


def strings(value: object) -> Iterator[str]:
    """Every string inside nested parameters, keys left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from strings(inner)
