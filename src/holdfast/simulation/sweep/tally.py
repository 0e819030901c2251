"""What a whole sweep showed, in numbers, and how a failing point is told."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from holdfast.simulation.sweep.course import sweep, undisturbed
from holdfast.simulation.sweep.forks import Result
from holdfast.simulation.sweep.plan import Size, points

REPLAY = "uv run python -m benchmarks.crash_sweep --replay"
NAMED = {"I1": "duplicates", "I2": "orphans", "I3": "foreign touched", "I12": "not converged"}


@dataclass(slots=True)
class Tally:
    """Adds up results.

    breaches  by invariant: how many points found one
    cpu       seconds of all children
    """

    points: int = 0
    cpu: float = 0.0
    breaches: dict[str, int] = field(default_factory=dict)
    failed: list[Result] = field(default_factory=list)

    def add(self, results: Iterable[Result]) -> None:
        """More results."""
        for result in results:
            self.points += 1
            self.cpu += result.cpu
            for invariant in {name for name, _ in result.breaches}:
                self.breaches[invariant] = self.breaches.get(invariant, 0) + 1
            if not result.is_good:
                self.failed.append(result)

    def counts(self) -> dict[str, int]:
        """The figures by the words of people; what has no word of its own are breaches."""
        others = sum(count for name, count in self.breaches.items() if name not in NAMED)
        named = {word: self.breaches.get(name, 0) for name, word in NAMED.items()}
        return {**named, "other breaches": others}


def swept(scenario: str, seed: int, size: Size, at_once: int) -> list[Result]:
    """Every point of one scenario. Raises UnknownScenario."""
    calm = undisturbed(scenario, seed)
    return list(sweep(scenario, seed, points(scenario, seed, calm.effects, size), at_once).results)


def told(result: Result, lines: int = 40) -> str:
    """A failing point: what was struck, what broke, the command that replays it, what followed."""
    broken = "\n".join(f"  {text}" for _, text in result.breaches)
    after = "\n".join(result.transcript.splitlines()[:lines])
    return f"{result.point} struck {result.label}\n{broken}\n$ {REPLAY} {result.point}\n{after}"
