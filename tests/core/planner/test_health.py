"""Who is beyond repair, and the breaker."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.core.planner.build import AT, MINUTE, RULES, World, a_node, a_world

from holdfast.model.observed import AgentSeen, Blind, Life, Unsure
from holdfast.model.offering import Cloud
from holdfast.model.resource import Role
from holdfast.planner.breaker import allowance
from holdfast.planner.health import Health, health
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


def held(found: Health) -> dict[tuple[str, ...], set[str]]:
    """By the place of each open breaker, the names of what it holds back."""
    return {one.place: {s.machine.name for s in one.suspects} for one in found.held_back}


def spread(world: World) -> World:
    """The workers of the ten, three in each of three zones; the last zone is in another cloud."""
    workers = world.of(Role.WORKER)
    moved = []
    for number, worker in enumerate(workers):
        cloud = Cloud.GCP if number % 3 == 2 else Cloud.AWS
        zone = f"{cloud.value}-{'abc'[number % 3]}"
        moved.append(replace(worker, offering=replace(worker.offering, cloud=cloud, zone=zone)))
    things = {
        m.resource: world.observed.things[w.resource] for m, w in zip(moved, workers, strict=True)
    }
    shown = [
        replace(t, resource=replace(t.resource, name=name, offering=m.offering))  # type: ignore[arg-type]
        for (name, t), m in zip(things.items(), moved, strict=True)
    ]
    return world.with_machines(*moved).with_things(*shown)


@pytest.mark.fault("F38", "P")
def test_the_breaker_holds_all_back_when_too_many_look_broken_at_once() -> None:
    two = silent(silent(HA, 0), 1)
    assert (len(judged(two).lost), len(judged(two).held_back)) == (2, 0)
    found = judged(silent(two, 2))
    assert found.lost == ()
    names = {worker.name for worker in HA.of(Role.WORKER)[:3]}
    assert held(found) == {("aws", "eu-central-1a"): names}


def test_those_whose_time_is_not_up_count_as_well() -> None:
    """Machines that break together never ripen in the same second."""
    young = silent(silent(HA, 1, notready=MINUTE), 2, notready=MINUTE)
    found = judged(silent(young, 0))
    assert found.lost == ()
    assert len(held(found)["aws", "eu-central-1a"]) == 3
    assert judged(young) == Health((), ())  # nothing to hold back yet


def test_a_zone_s_breaker_leaves_other_zones_alone() -> None:
    world = spread(HA)
    found = judged(silent(silent(silent(world, 0), 3), 1))
    workers = world.of(Role.WORKER)
    assert held(found) == {("aws", "aws-a"): {workers[0].name, workers[3].name}}
    assert [v.machine for v in found.lost] == [workers[1].id]


def test_one_in_each_zone_is_too_many_for_the_cloud() -> None:
    world = spread(HA)
    found = judged(silent(silent(world, 0), 1))
    workers = world.of(Role.WORKER)
    assert held(found) == {("aws",): {workers[0].name, workers[1].name}}
    assert judged(silent(silent(world, 0), 2)).held_back == ()  # one in each cloud: two of ten


def test_one_in_each_cloud_is_too_many_for_a_small_cluster() -> None:
    small = spread(a_world(1, 3))
    found = judged(silent(silent(small, 0), 2))
    assert set(held(found)) == {()}
    assert found.lost == ()


def test_a_user_s_word_releases_what_was_broken_by_then() -> None:
    world = silent(silent(silent(HA, 0), 1), 2)
    assert len(health(world.observed, RULES, AT, released_at=AT - MINUTE).lost) == 3
    earlier = health(world.observed, RULES, AT, released_at=AT - 12 * MINUTE)
    assert (len(earlier.lost), len(earlier.held_back)) == (0, 1)


def test_what_waits_for_a_user_says_what_to_do() -> None:
    world = silent(silent(silent(silent(HA, 0), 1), 2), 3)
    waiting = judged(world).held_back[0].waiting
    assert waiting.subject == "breaker/aws/eu-central-1a"
    assert waiting.on_person
    assert waiting.reason.startswith(
        "4 of 10 machines of zone eu-central-1a of aws look broken at once, 2 may be replaced"
    )
    assert "and 1 more" in waiting.reason
    assert "release-breaker" in waiting.reason


@pytest.mark.fault("F31", "P")
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
    assert [len(names) for names in held(found).values()] == [3]


@pytest.mark.parametrize(("machines", "expected"), [(1, 1), (4, 1), (9, 1), (10, 2), (50, 10)])
def test_a_fifth_and_at_least_one(machines: int, expected: int) -> None:
    assert allowance(machines, RULES) == expected
    assert allowance(machines, Rules(breaker_fraction=1)) == machines


def test_a_machine_that_was_written_off_is_judged_no_more() -> None:
    world = one_worker(a_world(), Life.GONE)
    worker = world.of(Role.WORKER)[0]
    assert judged(world.with_machines(replace(worker, written_off_at=AT))) == Health((), ())
