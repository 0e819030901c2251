"""Points by their names, and their replay from the beginning."""

import pytest

from holdfast.simulation.sweep import plan
from holdfast.simulation.sweep.course import settings, sweep, undisturbed
from holdfast.simulation.sweep.modes import CORE, Mode, fits
from holdfast.simulation.sweep.point import NoSuchPoint, Point, parsed
from holdfast.simulation.sweep.replay import replay
from holdfast.simulation.sweep.rules import RULES, world_without


@pytest.mark.parametrize("text", ["create:7:123:lost_response", "delete:1:9:before+40:late"])
def test_a_point_reads_as_it_is_written(text: str) -> None:
    assert str(parsed(text)) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("create", "expected scenario:seed:effect:mode"),
        ("create:1:5:boom", "mode 'boom' is none of before"),
        ("create:1:0:before", "counted from 1"),
    ],
)
def test_what_is_no_point(text: str, why: str) -> None:
    with pytest.raises(NoSuchPoint, match=why):
        parsed(text)


def test_a_replay_beyond_the_run() -> None:
    with pytest.raises(NoSuchPoint, match="has only"):
        replay(parsed("create:1:99999:before"))


def test_a_replay_dies_where_the_fork_died() -> None:
    outcome = replay(Point("create", 1, 40, Mode.BEFORE))
    assert outcome.is_good
    assert "platform starts, process 2" in outcome.transcript


def test_a_process_that_dies_or_fails_while_it_starts_is_started_again() -> None:
    for then in (Mode.BEFORE, Mode.LOST_REQUEST):
        outcome = replay(Point("create", 1, 40, Mode.BEFORE, 1, then))
        assert outcome.is_good, outcome.breaches
        assert "platform starts, process 3" in outcome.transcript


def test_a_zombie_returns_and_its_late_word_is_refused() -> None:
    number = next(
        one.number
        for one in undisturbed("create", 1).effects
        if "create aws/rule/" in one.effect.label
    )
    outcome = replay(Point("create", 1, number, Mode.ZOMBIE))
    assert outcome.is_good
    assert "process 1 goes on" in outcome.transcript
    assert "lease lost" in outcome.transcript


def test_every_class_of_effects_meets_every_core_mode() -> None:
    done = undisturbed("create", 1).effects
    effects = {one.number: one.effect for one in done}
    met = {
        (plan.kind(effects[point.number]), point.mode)
        for point in plan.points("create", 1, done, plan.THIN)
    }
    wanted = {
        (plan.kind(one.effect), mode) for one in done for mode in CORE if fits(mode, one.effect)
    }
    assert wanted <= met


def test_the_whole_sweep_strikes_every_effect() -> None:
    done = undisturbed("create", 1).effects
    struck = {point.number for point in plan.points("create", 1, done, plan.WHOLE)}
    assert struck == {one.number for one in done}


def test_a_child_that_finds_a_breach_tells_what_followed() -> None:
    rule = RULES["intent before call"]
    weak = world_without(rule, settings(1))
    calm = undisturbed(rule.scenario, 1, weak)
    number = next(one.number for one in calm.effects if rule.subject in one.effect.label)
    (result,) = sweep(
        rule.scenario, 1, [Point(rule.scenario, 1, number, rule.mode)], 1, weak
    ).results
    assert "platform starts, process 2" in result.transcript


def test_the_size_for_every_day_is_spread_over_the_run() -> None:
    done = undisturbed("create", 1).effects
    points = plan.points("create", 1, done, plan.CI)
    assert len(points) == plan.CI.most
    assert points[-1].number > 0.9 * len(done)
