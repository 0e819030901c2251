"""Zones and clouds: what is held back, that it is said, and that the breaker is what holds it."""

from dataclasses import replace

import pytest

from holdfast.model.offering import Cloud
from holdfast.planner.rules import Rules
from holdfast.providers.sim.faults import Fault, Kind
from holdfast.simulation.agent import Heartbeats
from holdfast.simulation.run import play
from holdfast.simulation.world import Settings, Simulation


@pytest.mark.fault("F38", "S")
def test_an_open_breaker_shows_itself_until_a_user_gives_a_reason() -> None:
    outcome = play("half-blind", Settings(heartbeats=Heartbeats.LIGHT), restarts=False)
    assert outcome.is_good, outcome.breaches
    lines = outcome.transcript.splitlines()
    opened = next(n for n, line in enumerate(lines) if "look broken at once" in line)
    released = next(n for n, line in enumerate(lines) if "the rack burnt down" in line)
    removed = [n for n, line in enumerate(lines) if "MachineLost" in line]
    assert opened < released
    assert len(removed) == 3
    assert min(removed) > released


def test_without_the_breaker_the_same_story_breaks() -> None:
    """The scenario can fail: with every machine allowed to go at once they do go."""
    rules = Rules(breaker_fraction=1.0)
    settings = Settings(heartbeats=Heartbeats.LIGHT, rules=rules)
    outcome = play("half-blind", settings, restarts=False)
    assert {breach.invariant for breach in outcome.breaches} == {"I16"}


@pytest.mark.fault("F60", "S")
@pytest.mark.parametrize("name", ["outage-zone", "outage-cloud"])
def test_a_part_that_is_out_of_sight_is_left_alone_and_the_rest_goes_on(name: str) -> None:
    outcome = play(name, Settings(heartbeats=Heartbeats.LIGHT), restarts=False)
    assert outcome.is_good, outcome.breaches


@pytest.mark.parametrize("cloud", list(Cloud))
@pytest.mark.parametrize(("kind", "seconds"), [(Kind.LOST_RESPONSE, 20.0), (Kind.LATE, 400.0)])
def test_a_create_without_an_answer_keeps_no_second_machine_on_any_cloud(
    cloud: Cloud, kind: Kind, seconds: float
) -> None:
    """By token, by name, and where there is neither by the look before the second call."""

    def unanswered(world: Simulation) -> None:
        for thing in ("VirtualMachine", "Network"):
            fault = Fault(kind, cloud=cloud.value, verb="create", thing=thing, value=seconds)
            world.clouds.faults.add(replace(fault, count=1))

    settings = Settings(heartbeats=Heartbeats.LIGHT)
    outcome = play("create-clouds", settings, unanswered, restarts=False)
    assert outcome.is_good, outcome.breaches
