"""Random worlds for a span of time, or one seed again: `python -m benchmarks.swarm --seconds 60`.

Every failing seed is printed with the command that replays it, the fewest steps that break the
same, and the end of their transcript. `--seed 17` plays that one alone.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence

from benchmarks.figure import Figure
from holdfast.simulation.swarm import draw
from holdfast.simulation.swarm.play import failure, played


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every world held, 1 when one did not, 2 for a wrong call."""
    given = _given(arguments)
    if given.seed is not None:
        return _one(given.seed, whole=given.transcript)
    began, broken, count = time.monotonic(), [], 0
    for seed in _seeds(given.first, given.count, began + given.seconds):
        count += 1
        found = failure(draw.plan(seed))
        if found is not None:
            broken.append(seed)
            print(found.text(), flush=True)
    spent = time.monotonic() - began
    print(f"seeds {given.first} to {given.first + count - 1} in {spent:.0f} s")
    print(Figure("random worlds with a breach", "worlds", 0, len(broken), tuple(broken)).line())
    return 1 if broken else 0


def _one(seed: int, *, whole: bool) -> int:
    """One seed: its steps, what broke, and the fewest steps; or its transcript."""
    plan = draw.plan(seed)
    print(plan.text(), end="")
    if whole:
        outcome = played(plan)
        print(outcome.transcript, end="")
        return 0 if outcome.is_good else 1
    found = failure(plan)
    print(f"seed {seed}: every invariant holds" if found is None else found.text())
    return 0 if found is None else 1


def _seeds(first: int, count: int | None, until: float) -> Iterator[int]:
    seed = first
    while time.monotonic() < until and (count is None or seed < first + count):
        yield seed
        seed += 1


def _given(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.swarm", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of this machine's time")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--count", type=int, help="so many seeds at most")
    parser.add_argument("--seed", type=int, help="play this one alone")
    parser.add_argument("--transcript", action="store_true", help="with --seed: all that happened")
    given = parser.parse_args(arguments)
    if given.seconds <= 0:
        parser.error(f"--seconds {given.seconds:g}: must be above zero")
    if given.transcript and given.seed is None:
        parser.error("--transcript: only with --seed")
    return given


if __name__ == "__main__":
    sys.exit(main())
