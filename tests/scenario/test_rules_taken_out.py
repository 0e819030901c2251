"""The sweep can fail: with one safety rule taken out on purpose it finds the harm."""

import os

import pytest

from holdfast.simulation.sweep.course import settings, sweep, undisturbed
from holdfast.simulation.sweep.point import Point
from holdfast.simulation.sweep.rules import RULES, world_without

MOST = 6  # effects that are struck: the first ones that the rule is about


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", RULES)
def test_without(name: str) -> None:
    rule = RULES[name]
    weak = world_without(rule, settings(1))
    calm = undisturbed(rule.scenario, 1, weak)
    struck = [one.number for one in calm.effects if rule.subject in one.effect.label][:MOST]
    points = [Point(rule.scenario, 1, number, rule.mode) for number in struck]
    results = sweep(rule.scenario, 1, points, os.cpu_count() or 1, weak).results
    found = {invariant for result in results for invariant, _ in result.breaches}
    assert rule.breaches & found, found
