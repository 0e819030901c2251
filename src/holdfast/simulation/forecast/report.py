"""What a forecast says: minutes, pods, money; plain data that a command prints."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

MINUTE = 60.0
MOST = 4  # of one kind in one minute, before they are counted
CENT = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Sample:
    """One look: seconds since the event, pods that do not run, USD per hour of everything."""

    at: float
    displaced: int
    hourly: Decimal


@dataclass(frozen=True, slots=True)
class Said:
    """Something that happened: seconds since the event, in a user's words; the event's reason."""

    at: float
    text: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """A forecast.

    before    USD per hour before the event
    pods      pods of the workload
    quiet     seconds after the event at which nothing went on any more; None: never in the limit
    reasons   what still went on, or what waits for a person
    """

    scenario: str
    about: str
    seed: int
    nodes: int
    pods: int
    before: Decimal
    samples: tuple[Sample, ...]
    said: tuple[Said, ...]
    quiet: float | None
    reasons: tuple[str, ...]
    phase: str

    def document(self) -> dict[str, Any]:
        """As JSON has it; money in USD, times in minutes."""
        spent, usual = _spent(self.samples), self.before * _hours(self.samples)
        return {
            "scenario": self.scenario,
            "about": self.about,
            "seed": self.seed,
            "nodes": self.nodes,
            "status": self.phase,
            "quietAfterMinutes": None if self.quiet is None else round(self.quiet / MINUTE, 1),
            "waits": list(self.reasons),
            "pods": {
                "running": self.pods,
                "mostDisplaced": max(one.displaced for one in self.samples),
                "minutesDisplaced": round(_displaced(self.samples) / MINUTE, 1),
                "podMinutes": round(_pod_seconds(self.samples) / MINUTE, 1),
            },
            "cost": {
                "hourlyBefore": _money(self.before),
                "hourlyLeast": _money(min(one.hourly for one in self.samples)),
                "hourlyMost": _money(max(one.hourly for one in self.samples)),
                "hourlyAfter": _money(self.samples[-1].hourly),
                "extra": _money(spent - usual),
            },
            "minutes": self._minutes(),
        }

    def _minutes(self) -> list[dict[str, Any]]:
        """Every minute in which something happened or changed."""
        found = []
        last: tuple[int, Decimal] | None = None
        for minute in range(int(self.samples[-1].at // MINUTE) + 1):
            inside = [one for one in self.samples if one.at // MINUTE == minute]
            words = _shortened([one for one in self.said if one.at // MINUTE == minute])
            if not inside and not words:
                continue
            seen = (max(one.displaced for one in inside), inside[-1].hourly) if inside else last
            if seen is not None and (words or seen != last):
                found.append(
                    {
                        "minute": minute,
                        "displaced": seen[0],
                        "hourly": _money(seen[1]),
                        "happened": words,
                    }
                )
            last = seen
        return found


def _shortened(said: Sequence[Said]) -> list[str]:
    """The same kind of thing again and again is told twice, then counted."""
    kinds: dict[str, list[str]] = {}
    for one in said:
        kinds.setdefault(one.kind or one.text, []).append(one.text)
    return [
        text
        for texts in kinds.values()
        for text in (texts if len(texts) <= MOST else [*texts[:2], f"... {len(texts) - 2} more"])
    ]


def _spans(samples: Sequence[Sample]) -> Iterable[tuple[Sample, float]]:
    for one, following in pairwise(samples):
        yield one, following.at - one.at


def _spent(samples: Sequence[Sample]) -> Decimal:
    spans = ((one.hourly * Decimal(str(round(s, 3)))) / 3600 for one, s in _spans(samples))
    return sum(spans, Decimal(0))


def _hours(samples: Sequence[Sample]) -> Decimal:
    return Decimal(str(round(samples[-1].at - samples[0].at, 3))) / 3600


def _displaced(samples: Sequence[Sample]) -> float:
    return sum(seconds for one, seconds in _spans(samples) if one.displaced)


def _pod_seconds(samples: Sequence[Sample]) -> float:
    return sum(one.displaced * seconds for one, seconds in _spans(samples))


def _money(amount: Decimal) -> str:
    return str(amount.quantize(CENT))
