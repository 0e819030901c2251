"""Plays plans, and cuts a plan that breaks something down to the steps that it takes."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from holdfast.model.offering import Cloud
from holdfast.providers.sim.provider import Care
from holdfast.providers.sim.world import Settings as CloudSettings
from holdfast.simulation import run
from holdfast.simulation.agent import Durations, Heartbeats
from holdfast.simulation.invariants import Expected
from holdfast.simulation.run import Outcome
from holdfast.simulation.scenarios.story import Scenario
from holdfast.simulation.swarm import draw
from holdfast.simulation.swarm.act import Story
from holdfast.simulation.swarm.shrink import shrunk
from holdfast.simulation.swarm.steps import Ground, Plan
from holdfast.simulation.world import Settings, Simulation

REPLAY = "python -m benchmarks.swarm --seed {seed}"
LAST_LINES = 60  # of a transcript, in a report


@dataclass(frozen=True, slots=True)
class Failure:
    """A seed that broke something, and the smallest plan found that breaks the same."""

    outcome: Outcome
    plan: Plan
    smallest: Plan
    smallest_outcome: Outcome

    def text(self) -> str:
        """For a person: what broke, the command, the steps, the end of the short transcript."""
        lines = [f"seed {self.plan.seed} breaks:"]
        lines += [f"  {breach}" for breach in self.outcome.breaches]
        lines += [f"replay it: {REPLAY.format(seed=self.plan.seed)}"]
        lines += [f"{len(self.smallest.steps)} of {len(self.plan.steps)} steps are enough:"]
        lines += [f"  {line}" for line in self.smallest.text().splitlines()]
        lines += [f"  -> {breach}" for breach in self.smallest_outcome.breaches]
        told = self.smallest_outcome.transcript.splitlines()
        lines += [f"the last of its {len(told)} lines:", *told[-LAST_LINES:]]
        return "\n".join(lines) + "\n"


def played(plan: Plan, care: Care | None = None) -> Outcome:
    """Play one plan. `care`: the driver's safety rules; a test takes one out."""

    async def story(world: Simulation) -> Expected:
        return await Story(world, plan).play()

    scenario = Scenario(f"swarm-{plan.seed}", "a random world", story)
    return run.play(scenario, _settings(plan.seed, plan.ground, care))


def failure(plan: Plan, care: Care | None = None, most: int = 40) -> Failure | None:
    """Play a plan; None when all is well, else the failure, shrunk in at most `most` runs."""
    outcome = played(plan, care)
    if outcome.is_good:
        return None
    names = broken(outcome)
    best: list[Outcome] = [outcome]

    def breaks(smaller: Plan) -> bool:
        found = played(smaller, care)
        if broken(found) & names:
            best.append(found)
            return True
        return False

    smallest = shrunk(plan, breaks, most)
    return Failure(outcome, plan, smallest, best[-1])


def broken(outcome: Outcome) -> set[str]:
    """The names of the invariants that a run broke."""
    return {breach.invariant for breach in outcome.breaches}


def swarm(seeds: Callable[[], int | None], care: Care | None = None) -> tuple[int, list[Failure]]:
    """Play seeds until there is none left; returns how many were played, and the failures."""
    count, failures = 0, []
    while (seed := seeds()) is not None:
        count += 1
        found = failure(draw.plan(seed), care)
        if found is not None:
            failures.append(found)
    return count, failures


def _settings(seed: int, ground: Ground, care: Care | None) -> Settings:
    clouds = CloudSettings(
        consistency=dict.fromkeys(Cloud, ground.consistency),
        latency=ground.latency,
        reuse=ground.reuse,
    )
    return Settings(
        seed=seed,
        clouds=clouds,
        heartbeats=Heartbeats.LIGHT,
        durations=_slower(Durations(), ground.slow),
        restart_after=ground.restart_after,
        care=care or Care(),
    )


def _slower(usual: Durations, times: float) -> Durations:
    def longer(span: tuple[float, float]) -> tuple[float, float]:
        return span[0] * times, span[1] * times

    return replace(
        usual,
        boot=longer(usual.boot),
        prepare=longer(usual.prepare),
        init=longer(usual.init),
        join_control_plane=longer(usual.join_control_plane),
        join_worker=longer(usual.join_worker),
    )
