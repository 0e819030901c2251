"""Plays a scenario once and forks it at its effects; or plays one point from the beginning."""

import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from holdfast.simulation.agent import Heartbeats
from holdfast.simulation.run import Outcome, Verdict, judged, logged, play, virtually
from holdfast.simulation.scenarios import scenario
from holdfast.simulation.sweep.forks import Forks, Result
from holdfast.simulation.sweep.point import Point
from holdfast.simulation.watch import Watch
from holdfast.simulation.world import Settings, Simulation

TOLD = 200  # lines of a transcript that are told of a run that is not well


@dataclass(frozen=True, slots=True)
class Swept:
    """The base run's effects, by their labels, and what became of every point."""

    labels: tuple[str, ...]
    results: tuple[Result, ...]


def settings(seed: int) -> Settings:
    """The world of a sweep: heartbeats in their light form."""
    return Settings(seed=seed, heartbeats=Heartbeats.LIGHT)


def undisturbed(name: str, seed: int, chosen: Settings | None = None) -> Outcome:
    """The run that a sweep disturbs. Raises UnknownScenario."""
    return play(name, chosen or settings(seed), restarts=False)


def sweep(
    name: str, seed: int, points: Iterable[Point], at_once: int, chosen: Settings | None = None
) -> Swept:
    """Play a scenario, and every point of it from its effect on.

    Raises UnknownScenario.
    """
    at: dict[int, list[Point]] = {}
    for point in points:
        at.setdefault(point.number, []).append(point)
    told, world_of = scenario(name), chosen or settings(seed)

    async def whole() -> Swept:
        async with Simulation.open(world_of) as world:
            watch, forks = Watch(world), Forks(world, lambda number, _: at.get(number, ()), at_once)
            world.hub.watchers += [watch, forks]
            with logged(world):
                try:
                    verdict = await judged(world, told.story, restarts=False)
                except BaseException as error:
                    if forks.point is not None:
                        _failed(forks, error)
                    raise
                if forks.point is not None:
                    _report(forks, watch, verdict)
            forks.wait_for_all()
            labels = tuple(done.effect.label for done in world.hub.done)
            return Swept(labels, tuple(forks.results))

    return virtually(whole())


def _report(forks: Forks, watch: Watch, verdict: Verdict) -> NoReturn:
    found = [(one.invariant, str(one)) for one in (*watch.breaches, *verdict.breaches)]
    forks.report(found, _told(forks) if found else "")


def _failed(forks: Forks, error: BaseException) -> NoReturn:
    text = "".join(traceback.format_exception(error, limit=-6))
    forks.report([("I12", f"the story could not be played: {text}")], _told(forks))


def _told(forks: Forks) -> str:
    """The transcript from the struck effect on."""
    world = forks.world
    since = world.hub.done[forks.point.number - 1].at if forks.point else 0.0
    lines = world.transcript.text(world.disk.raw).splitlines()
    after = [line for line in lines if float(line[:12]) >= since]
    return "\n".join(after[:TOLD])
