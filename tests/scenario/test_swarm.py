"""Random worlds, people and trouble: every invariant holds; a planted defect is found."""

import time

import pytest

from holdfast.providers.sim.faults import Fault, Kind
from holdfast.providers.sim.provider import Care
from holdfast.simulation.swarm import draw
from holdfast.simulation.swarm.play import broken, failure, played
from holdfast.simulation.swarm.shrink import shrunk
from holdfast.simulation.swarm.steps import Deed, Plan, Step

# About a minute of CPU time; nightly: python -m benchmarks.swarm --seconds 3600. In 46 a machine
# loses its link while it asks whether it may join, which once stopped the time of the world.
SEEDS = (*range(1, 31), 46)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_world_holds(seed: int) -> None:
    began = time.process_time()
    found = failure(draw.plan(seed))
    print(f"seed {seed}: {time.process_time() - began:.1f} s CPU")
    assert found is None, found.text()


def test_a_seed_has_one_plan_and_one_transcript() -> None:
    plan = draw.plan(3)
    assert plan == draw.plan(3)
    assert plan != draw.plan(4)
    assert played(plan).commits == played(plan).commits


# A lost answer to the create of a machine: harmless, as long as the call carries its token.
LOST = Step(0.0, Deed.FAULT, seconds=60.0, fault=Fault(Kind.LOST_RESPONSE, verb="create", count=3))
ASKED = Step(0.0, Deed.CREATE, which=1, value=1.0)
HARMLESS = tuple(Step(100.0 + n, Deed.RECONCILE, which=n) for n in range(3))


def test_a_planted_defect_is_found_and_shrunk() -> None:
    """Without idempotency tokens some seed of the first few makes a second copy."""
    careless = Care(tokens=False)
    found = next(f for seed in SEEDS if (f := failure(draw.plan(seed), careless, most=12)))
    assert {"I1", "I2", "I5", "I12"} & broken(found.smallest_outcome)
    assert len(found.smallest.steps) <= len(found.plan.steps)
    text = found.text()
    assert f"python -m benchmarks.swarm --seed {found.plan.seed}" in text
    assert "steps are enough" in text


def test_shrinking_keeps_only_what_breaks() -> None:
    plan = Plan(1, steps=(ASKED, LOST, *HARMLESS))
    tries: list[Plan] = []

    def breaks(smaller: Plan) -> bool:
        tries.append(smaller)
        return {ASKED, LOST} <= set(smaller.steps)

    assert shrunk(plan, breaks, 40).steps == (ASKED, LOST)
    assert len(tries) <= 40
    tries.clear()
    assert breaks(shrunk(plan, breaks, 2))
    assert len(tries) <= 3
