"""Who is beyond repair, and the breaker."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.core.planner.build import AT, MINUTE, RULES, World, a_node, a_world

from holdfast.model.observed import AgentSeen, Blind, Life, Unsure
from holdfast.model.resource import Role
from holdfast.planner.health import Health, allowance, health
from holdfast.planner.rules import Rules

BLIND = Blind(frozenset({"Subnet"}), "outage", "Unavailable")


def judged(world: World) -> Health:
    return health(world.observed, RULES, AT)


def one_worker(world: World, life: Life, evidence: str = "") -> World:
    worker = world.of(Role.WORKER)[0]
    thing = replace(world.observed.things[worker.resource], life=life, evidence=evidence)
    return world.with_things(thing)


def silent(
    world: World, number: int, *, late: bool = True, notready: timedelta = 11 * MINUTE
) -> World:
    """A worker whose node is NotReady, and whose agent says nothing (or does)."""
    worker = world.of(Role.WORKER)[number]
    kube = world.observed.kube
    assert kube
    node = a_node(worker.name, ready=None, since=AT - notready)
    return world.see(
        kube=replace(kube, nodes={**kube.nodes, worker.name: node}),
        agents={**world.observed.agents, worker.id: AgentSeen(AT - MINUTE, late=late)},
    )


def missing(world: World, number: int, age: timedelta, readings: int) -> World:
    worker = world.of(Role.WORKER)[number]
    unsure = {**world.observed.unsure, worker.resource: Unsure(AT - age, readings)}
    return world.without(worker.resource).see(unsure=unsure)


def never_joined(world: World, number: int, age: timedelta) -> World:
    worker = world.of(Role.WORKER)[number]
    return world.with_machines(replace(worker, joined_at=None, ready_at=None, launched_at=AT - age))


HA = a_world(1, 9)  # ten machines: two may look broken at once
SUSPECTED = [
    ("missing for the window", missing(HA, 0, 5 * MINUTE, 3), "was missing from 3 listings"),
    ("missing, too short", missing(HA, 0, 4 * MINUTE, 99), None),
    ("missing, too few readings", missing(HA, 0, 9 * MINUTE, 2), None),
    ("missing, but another part is blind", missing(HA, 0, 9 * MINUTE, 9).see(blind=(BLIND,)), None),
    ("silent on both voices", silent(HA, 0), "NotReady and its agent is silent"),
    ("NotReady, but its agent speaks", silent(HA, 0, late=False), None),
    ("NotReady for a short time", silent(HA, 0, notready=9 * MINUTE), None),
    ("silent, but the API server does not answer", silent(HA, 0).see(kube=None), None),
    ("never joined", never_joined(HA, 0, 16 * MINUTE), "did not join within 15 minutes"),
    ("still joining", never_joined(HA, 0, 14 * MINUTE), None),
]


@pytest.mark.parametrize("case", SUSPECTED, ids=[c[0] for c in SUSPECTED])
def test_suspicion_needs_time_and_a_second_witness(case: tuple[str, World, str | None]) -> None:
    _, world, reason = case
    found = judged(world)
    assert len(found.lost) == (0 if reason is None else 1)
    assert not found.held_back
    for verdict in found.lost:
        assert (reason or "-") in verdict.reason
        assert not verdict.announced


@pytest.mark.parametrize("life", [Life.GONE, Life.LEAVING, Life.FAILED])
def test_what_the_cloud_declares_dead_is_dead_at_once(life: Life) -> None:
    found = judged(one_worker(a_world(), life, "Server.SpotInstanceTermination"))
    assert [(v.announced, v.reason) for v in found.lost] == [
        (True, f"the cloud says {life.value}: Server.SpotInstanceTermination")
    ]


def test_a_world_that_is_well_has_no_verdicts() -> None:
    assert judged(a_world(3)) == Health((), ())
    assert judged(one_worker(a_world(), Life.PENDING)) == Health((), ())


def test_the_breaker_holds_all_back_when_too_many_look_broken_at_once() -> None:
    two = silent(silent(HA, 0), 1)
    assert (len(judged(two).lost), len(judged(two).held_back)) == (2, 0)
    three = silent(two, 2)
    assert (len(judged(three).lost), len(judged(three).held_back)) == (0, 3)


def test_announced_losses_do_not_count_towards_the_breaker() -> None:
    world = silent(HA, 8)
    for worker in world.of(Role.WORKER)[:5]:
        world = world.with_things(replace(world.observed.things[worker.resource], life=Life.GONE))
    found = judged(world)
    assert (len(found.lost), len(found.held_back)) == (6, 0)


def test_announced_losses_are_healed_while_the_breaker_is_open() -> None:
    world = one_worker(silent(silent(silent(HA, 3), 1), 2), Life.GONE)
    found = judged(world)
    assert [v.announced for v in found.lost] == [True]
    assert len(found.held_back) == 3


@pytest.mark.parametrize(("machines", "expected"), [(1, 1), (4, 1), (9, 1), (10, 2), (50, 10)])
def test_a_fifth_and_at_least_one(machines: int, expected: int) -> None:
    assert allowance(machines, RULES) == expected
    assert allowance(machines, Rules(breaker_fraction=1)) == machines


def test_a_machine_that_was_written_off_is_judged_no_more() -> None:
    world = one_worker(a_world(), Life.GONE)
    worker = world.of(Role.WORKER)[0]
    assert judged(world.with_machines(replace(worker, written_off_at=AT))) == Health((), ())
