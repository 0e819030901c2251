"""Plays one scenario from one seed, and judges it.

outcome = play("create", Settings(seed=7))
outcome.breaches, outcome.transcript
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import structlog
from structlog.typing import EventDict, WrappedLogger

from holdfast.simulation import disk, invariants, papers, time
from holdfast.simulation.effects import Died, Done
from holdfast.simulation.quiet import NotConverged
from holdfast.simulation.scenarios import Broken, Scenario, scenario
from holdfast.simulation.scenarios.story import Story
from holdfast.simulation.watch import Breach, Watch
from holdfast.simulation.world import Settings, Simulation

LOGGED = 30  # warnings and worse are part of a transcript

Got = TypeVar("Got")
Prepare = Callable[[Simulation], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one run.

    seconds    virtual time that it took
    commits    the transcript with the store's own effects
    converged  False: the world was not quiet within its limit (I12)
    """

    scenario: str
    seed: int
    seconds: float
    effects: tuple[Done, ...]
    breaches: tuple[Breach, ...]
    transcript: str
    commits: str
    converged: bool = True
    reasons: tuple[str, ...] = field(default=())

    @property
    def is_good(self) -> bool:
        """It ended, and every invariant held."""
        return self.converged and not self.breaches


def play(
    name: str | Scenario,
    settings: Settings | None = None,
    prepare: Prepare | None = None,
    *,
    restarts: bool = True,
) -> Outcome:
    """Play a scenario to its end.

    name      of one of SCENARIOS, or a scenario that is none of them
    prepare   is handed the world before the story begins: to add watchers or faults
    restarts  ends with a restart of the platform, which must find nothing to do (I13)

    Raises UnknownScenario, and what the story raises: then the run could not be played.
    """
    told = name if isinstance(name, Scenario) else scenario(name)
    chosen = settings or Settings()

    async def whole() -> Outcome:
        async with Simulation.open(chosen) as world:
            watch = Watch(world)
            world.hub.watchers.append(watch)
            if prepare is not None:
                prepare(world)
            with logged(world):
                verdict = await judged(world, told.story, restarts=restarts)
                return _outcome(told.name, world, watch, verdict)

    return virtually(whole())


def virtually(story: Coroutine[Any, Any, Got]) -> Got:
    """Play a coroutine that opens worlds, on virtual time; returns what it returns.

    What worlds start from is made before, on loops and by chance of its own.
    """
    disk.template()
    papers.certificates()
    found: Got = time.run(story)
    return found


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the end of a story showed; `reasons`: why the world was not quiet."""

    breaches: tuple[Breach, ...]
    reasons: tuple[str, ...] = ()


async def judged(world: Simulation, story: Story, *, restarts: bool = True) -> Verdict:
    """Play a story in a world and check every invariant that can be checked at its end."""
    breaches: list[Breach] = []
    try:
        expected = await story(world)
        if world.struck:
            surplus = world.struck if expected.is_calm else 0
            expected = replace(expected, is_calm=False, surplus=surplus)
        breaches += invariants.check(world, expected)
        if restarts:
            breaches += await invariants.stable_after_restart(world)
    except NotConverged as error:
        breaches.append(Breach("I12", world.clock.monotonic(), str(error)))
        return Verdict(tuple(breaches), tuple(error.reasons))
    except Broken as error:
        breaches.append(Breach(error.invariant, world.clock.monotonic(), str(error)))
    return Verdict(tuple(breaches))


def _outcome(name: str, world: Simulation, watch: Watch, verdict: Verdict) -> Outcome:
    return Outcome(
        scenario=name,
        seed=world.settings.seed,
        seconds=world.clock.monotonic(),
        effects=tuple(world.hub.done),
        breaches=(*watch.breaches, *verdict.breaches),
        transcript=world.transcript.text(world.disk.raw, commits=False),
        commits=world.transcript.text(world.disk.raw),
        converged=not verdict.reasons,
        reasons=verdict.reasons,
    )


@contextmanager
def logged(world: Simulation) -> Iterator[None]:
    """Warnings of the platform become notes of the transcript; nothing is printed."""
    before: dict[str, Any] = structlog.get_config()

    def into_transcript(_: WrappedLogger, method: str, event: EventDict) -> EventDict:
        said = str(event.pop("event", ""))
        error = event.pop("exc_info", None)
        words = " ".join(f"{key}={value}" for key, value in sorted(event.items()))
        told = f" {error!r}" if isinstance(error, BaseException) else ""
        world.transcript.note(f"log {method} {said} {words}{told}".rstrip())
        raise structlog.DropEvent

    def unheard(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, Died):  # the end of a process is nobody's to hear of
            world.transcript.note(f"log error {context.get('message', '')} {error!r}")

    asyncio.get_running_loop().set_exception_handler(unheard)
    structlog.configure(
        processors=[into_transcript],
        wrapper_class=structlog.make_filtering_bound_logger(LOGGED),
    )
    try:
        yield
    finally:
        structlog.configure(**before)
