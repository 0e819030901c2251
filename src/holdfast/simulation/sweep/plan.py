"""Which points of a scenario are swept: every effect, in modes that rotate, and a seeded sample.

Rotation counts the effects of one class (port, verb, and subject without names): the first of a
class meets the first mode that fits it, the second the next. A class that is rarer than the modes
meets the rest at its last effects, so that each pair of class and mode occurs in each scenario.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.providers.sim.effects import Effect
from holdfast.simulation.effects import Done
from holdfast.simulation.sweep.modes import CORE, KILLED, Mode, fits
from holdfast.simulation.sweep.point import Point

STEPS = 60  # a pair's second blow falls at most so many effects after the restart


@dataclass(frozen=True, slots=True)
class Size:
    """How much is swept.

    every    all core modes at every effect, instead of rotating them
    others   share of the effects that meet one further mode
    pairs    share of the effects that meet a pair
    one_in   beyond the first effects of each class, that meet each mode once, only every so
             many-th
    most     points of one scenario, spread evenly over what the rest of this chooses
    """

    every: bool = False
    others: float = 0.06
    pairs: float = 0.03
    one_in: int = 1
    most: int | None = None


THIN = Size(one_in=6)  # each class of effects meets each mode, in each scenario
CI = Size(one_in=6, most=34)  # what 25 scenarios can spend of five minutes on two cores
WHOLE = Size()
ALL = Size(every=True, others=1.0, pairs=0.3)


def kind(effect: Effect) -> str:
    """The class of an effect: its label without the names of single things."""
    words = effect.subject.split("/")
    subject = "/".join(words[:2]) if effect.port.startswith("cloud/") else words[0]
    if effect.port in {"agents", "kube"}:
        subject = ""
    return f"{effect.port} {effect.verb} {subject}"


def points(scenario: str, seed: int, done: Sequence[Done], size: Size = CI) -> list[Point]:
    """The points of a scenario whose undisturbed run had these effects, in their order."""
    chance = random.Random(f"{scenario}:{seed}")  # noqa: S311  (a sample that repeats)
    total = Counter(kind(one.effect) for one in done)
    met: Counter[str] = Counter()
    found: list[Point] = []
    for one in done:
        core = [mode for mode in CORE if fits(mode, one.effect)]
        others = [mode for mode in Mode if mode not in CORE and fits(mode, one.effect)]
        name = kind(one.effect)
        modes = core if size.every else _turn(core, met[name], total[name])
        is_new = met[name] < len(CORE)
        met[name] += 1
        draws = chance.random(), chance.random()
        if size.others >= 1.0:
            modes = [*modes, *others]
        elif draws[0] < size.others:
            modes = [*modes, chance.choice(others)]
        if one.number % size.one_in and not is_new:
            continue
        found += [Point(scenario, seed, one.number, mode) for mode in modes]
        if draws[1] < size.pairs:
            first = chance.choice([mode for mode in core if mode in KILLED])
            then = chance.choice([Mode.BEFORE, Mode.AFTER_UNRECORDED, Mode.LOST_RESPONSE])
            steps = chance.randint(1, STEPS)
            found.append(Point(scenario, seed, one.number, first, steps, then))
    if size.most is None or len(found) <= size.most:
        return found
    return [found[place * len(found) // size.most] for place in range(size.most)]


def _turn(modes: Sequence[Mode], met: int, total: int) -> list[Mode]:
    """The mode whose turn it is; at the last effect of a rare class all that had none."""
    due = [modes[met % len(modes)]]
    if met == total - 1 and total < len(modes):
        due += modes[total:]
    return due
