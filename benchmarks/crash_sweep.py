"""The crash sweep: every effect of every scenario disturbed; prints what it found.

python -m benchmarks.crash_sweep                      every effect, modes by turns
python -m benchmarks.crash_sweep create delete        these scenarios only
python -m benchmarks.crash_sweep --all --seed 7       every mode at every effect, and pairs
python -m benchmarks.crash_sweep --replay create:7:123:lost_response
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from holdfast.simulation.scenarios import SCENARIOS, UnknownScenario
from holdfast.simulation.sweep import plan
from holdfast.simulation.sweep.point import NoSuchPoint, parsed
from holdfast.simulation.sweep.replay import NotDeterministic, replay
from holdfast.simulation.sweep.tally import Tally, swept, told

SHOWN = 10  # failing points that are told in full


def main(words: Sequence[str] | None = None) -> int:
    """Sweep, or replay one point; 1 if a breach was found, 2 for a choice that makes no sense."""
    chosen = _arguments().parse_args(words)
    try:
        if chosen.replay:
            return _replayed(chosen.replay)
        return _swept(chosen)
    except (UnknownScenario, NoSuchPoint, NotDeterministic) as error:
        print(f"crash_sweep: {error}", file=sys.stderr)
        return 2


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="crash_sweep", description="Sweep crashes.")
    parser.add_argument("scenario", nargs="*", help="scenarios, all by default")
    parser.add_argument("--all", action="store_true", help="every mode at every effect")
    parser.add_argument("--pairs", type=float, help="share of the effects that meet a pair")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--one-in", type=int, default=1, help="only every so many-th effect")
    parser.add_argument("--most", type=int, help="points of one scenario at most")
    parser.add_argument("--at-once", type=int, default=os.cpu_count() or 1, help="runs at once")
    parser.add_argument("--replay", metavar="POINT", help="play one point: create:7:123:before")
    return parser


def _swept(chosen: argparse.Namespace) -> int:
    size = replace(plan.ALL if chosen.all else plan.WHOLE, one_in=chosen.one_in, most=chosen.most)
    size = size if chosen.pairs is None else replace(size, pairs=chosen.pairs)
    tally, began = Tally(), time.monotonic()
    for name in chosen.scenario or SCENARIOS:
        before, since = tally.points, time.monotonic()
        tally.add(swept(name, chosen.seed, size, chosen.at_once))
        count = tally.points - before
        print(f"{name}: {count} points in {time.monotonic() - since:.0f} s", flush=True)
    for result in tally.failed[:SHOWN]:
        print(told(result), file=sys.stderr)
    seconds = time.monotonic() - began
    print(f"CPU of a point: {tally.cpu / max(1, tally.points):.3f} s")
    counts = ", ".join(f"{name} {count}" for name, count in tally.counts().items())
    print(f"crash points {tally.points} in {seconds:.0f} s: {counts}")
    return 1 if tally.failed else 0


def _replayed(text: str) -> int:
    point = parsed(text)
    outcome = replay(point)
    since = outcome.effects[point.number - 1].at if outcome.effects else 0.0
    print("\n".join(line for line in outcome.commits.splitlines() if float(line[:12]) >= since))
    for breach in outcome.breaches:
        print(f"breach {breach}")
    print(f"{point}: {'every invariant held' if outcome.is_good else 'broken'}")
    return 0 if outcome.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
