"""Faults on request: plain data in one table that every call looks into."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase

from holdfast.providers import errors


class Kind(StrEnum):
    """What goes wrong. `value` is seconds unless said otherwise."""

    LOST_REQUEST = "lost-request"  # nothing happens, no answer comes
    LOST_RESPONSE = "lost-response"  # it happens, no answer comes
    LATE = "late"  # it happens `value` later, no answer comes
    DELAY = "delay"  # `value` before the call is looked at
    ERROR = "error"  # `error` names the class; `code`, `detail`
    THROTTLE = "throttle"  # too many calls; `value` is what the cloud asks to wait
    OUTAGE = "outage"  # the service does not work: changes Unavailable, listings blind
    PARTIAL = "partial"  # an error, and yet a part is there that will never be usable
    STALE = "stale"  # listings are `value` old and lack the last `writes` to each thing
    STALE_AFTER = "stale-after"  # listings do not show what this call did for `value`
    HIDDEN = "hidden"  # listings leave things out without a word: a lost page
    CAPACITY = "capacity"  # only `value` more machines; not told by the catalogue
    SOLD_OUT = "sold-out"  # no machine; told by the catalogue
    QUOTA = "quota"  # the quota with code `type` is `value`
    DENY = "deny"  # the key lacks this right
    IMAGE_GONE = "image-gone"  # image `subject` is no longer there
    BOOT_FAILS = "boot-fails"  # the machine ends instead of running; `detail` is its console
    PRICE = "price"  # `value` times the price
    CLOCK = "clock"  # the cloud's clock is `value` ahead


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. Patterns are globs; a fact that a call does not have fits only "*".

    verb     create, delete, observe, check, catalogue, console
    thing    class name of the resource: "VirtualMachine"
    subject  name or id of a thing: "aws/machine/*"
    market   "spot" or "on-demand"
    count    it ends after so many calls
    since, until  it is in force only between; None is always
    """

    kind: Kind
    id: str = ""
    cloud: str = "*"
    account: str = "*"
    region: str = "*"
    zone: str = "*"
    verb: str = "*"
    thing: str = "*"
    subject: str = "*"
    type: str = "*"
    market: str = "*"
    value: float = 0.0
    writes: int = 0
    error: str = ""
    code: str = ""
    detail: str = ""
    count: int | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What faults are matched with.

    subjects  the names and ids that a call is about
    also      further kinds that a listing shows
    """

    cloud: str = ""
    account: str = ""
    region: str = ""
    zone: str = ""
    verb: str = ""
    thing: str = ""
    subjects: tuple[str, ...] = ()
    type: str = ""
    market: str = ""
    also: tuple[str, ...] = ()


_PLAIN = ("cloud", "account", "region", "zone", "verb", "type", "market")
_WHERE = ("cloud", "account", "region")


def matches(fault: Fault, facts: Facts) -> bool:
    """Whether `fault` is about these facts."""
    for name in _PLAIN:
        pattern = getattr(fault, name)
        if pattern != "*" and not fnmatchcase(getattr(facts, name), pattern):
            return False
    return _any(fault.thing, (facts.thing, *facts.also)) and _any(fault.subject, facts.subjects)


def _any(pattern: str, words: Iterable[str]) -> bool:
    return pattern == "*" or any(fnmatchcase(word, pattern) for word in words)


def checked(fault: Fault) -> Fault:
    """The fault itself. Raises ValueError naming a setting that makes no sense."""
    if fault.kind is Kind.ERROR and fault.error not in CLASSES:
        message = f"fault {fault.kind}: error {fault.error!r} is none of {', '.join(CLASSES)}"
        raise ValueError(message)
    if fault.value < 0 and fault.kind is not Kind.CLOCK:
        message = f"fault {fault.kind}: value {fault.value} is below zero"
        raise ValueError(message)
    if fault.since and fault.until and fault.until <= fault.since:
        message = f"fault {fault.kind}: it ends at {fault.until}, before it begins"
        raise ValueError(message)
    return fault


CLASSES: dict[str, type[errors.ProviderError]] = {
    found.__name__: found for found in errors.ProviderError.__subclasses__()
}


def as_error(fault: Fault, attempted: str) -> errors.ProviderError:
    """The error that a fault of kind ERROR stands for."""
    found = CLASSES[fault.error]
    return found(attempted, fault.code, fault.detail or "an injected fault")


class FaultTable:
    """All faults, oldest first."""

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}
        self._made = 0

    def add(self, fault: Fault) -> str:
        """Put a fault in force; returns its id (a given id replaces the older one).

        Raises ValueError as `checked`.
        """
        self._made += 1
        name = fault.id or f"fault-{self._made}"
        self._faults[name] = replace(checked(fault), id=name)
        return name

    def remove(self, name: str) -> bool:
        """Take a fault back; False if it was not there (or had ended)."""
        return self._faults.pop(name, None) is not None

    def clear(self) -> None:
        """Take all back."""
        self._faults.clear()

    def all(self) -> tuple[Fault, ...]:
        """The faults, with the counts that remain."""
        return tuple(self._faults.values())

    def find(self, kinds: Iterable[Kind], facts: Facts, now: datetime) -> Fault | None:
        """The first fault of these kinds about `facts`; uses up nothing."""
        return next(self.each(kinds, facts, now), None) if self._faults else None

    def take(self, kinds: Iterable[Kind], facts: Facts, now: datetime) -> Fault | None:
        """As `find`, and counts the fault down."""
        fault = self.find(kinds, facts, now)
        if fault is not None:
            self._count_down(fault)
        return fault

    def spend(self, fault: Fault) -> None:
        """One less of what a fault of kind CAPACITY leaves; it stays in force at zero."""
        present = self._faults.get(fault.id)
        if present is not None:
            self._faults[fault.id] = replace(present, value=max(0.0, present.value - 1))

    def each(self, kinds: Iterable[Kind], facts: Facts, now: datetime) -> Iterator[Fault]:
        """Every fault of these kinds about `facts`, oldest first."""
        for fault in self._faults.values():
            if fault.kind in kinds and _holds(fault, now) and matches(fault, facts):
                yield fault

    def somewhere(self, kind: Kind, facts: Facts, now: datetime) -> tuple[Fault, ...]:
        """The faults of a kind in this cloud, account and region, whatever else they are about."""
        return tuple(
            fault
            for fault in self._faults.values()
            if fault.kind is kind
            and _holds(fault, now)
            and all(fnmatchcase(getattr(facts, name), getattr(fault, name)) for name in _WHERE)
        )

    def _count_down(self, fault: Fault) -> None:
        present = self._faults.get(fault.id)
        if present is None or present.count is None:
            return
        if present.count <= 1:
            del self._faults[fault.id]
        else:
            self._faults[fault.id] = replace(present, count=present.count - 1)


def _holds(fault: Fault, now: datetime) -> bool:
    return (
        fault.count != 0
        and (fault.since is None or fault.since <= now)
        and (fault.until is None or now < fault.until)
    )
