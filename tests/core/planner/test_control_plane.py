"""Who may join, which members go, who holds the address."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.core.planner.build import (
    AT,
    SECOND,
    World,
    a_machine,
    a_spec,
    a_world,
    joined,
    written_off,
)

from holdfast.model.action import RemoveMember, Waiting
from holdfast.model.machine import Machine
from holdfast.model.observed import AgentSeen, Life, Observed
from holdfast.model.offering import Cloud
from holdfast.model.resource import Role
from holdfast.planner import control_plane
from holdfast.planner.control_plane import (
    endpoint_holder,
    has_quorum,
    initialises,
    lost_members,
    may_join,
    removals,
)

SPEC = a_spec(3, 2)
CP = SPEC.nodes[:3]
WORKER, OTHER_WORKER = SPEC.nodes[3:]
ADDRESS = "198.51.100.1"


def waiting(number: int) -> Machine:
    return a_machine(CP[number], registered_at=AT)


def joining(number: int) -> Machine:
    return a_machine(CP[number], registered_at=AT, joining_at=AT)


def lost(number: int, *, had_joined: bool = True) -> Machine:
    return written_off(CP[number], joined_at=AT if had_joined else None)


FIRST = waiting(0)
MEMBER = joined(CP[0])
NEW_WORKER = a_machine(WORKER, registered_at=AT)

JOINS: list[tuple[str, Machine, list[Machine], str | None]] = [
    ("the first control plane makes the cluster", FIRST, [FIRST, NEW_WORKER], None),
    ("the second waits while it does", waiting(1), [joining(0), waiting(1)], "is making"),
    ("it may ask again while it does so itself", joining(0), [joining(0), waiting(1)], None),
    ("a worker waits for the first", NEW_WORKER, [joining(0), NEW_WORKER], "not up yet"),
    ("a worker joins once it is up", NEW_WORKER, [MEMBER, NEW_WORKER], None),
    ("workers join while others join", NEW_WORKER,
     [MEMBER, a_machine(OTHER_WORKER, joining_at=AT), joining(1), NEW_WORKER], None),
    ("a second control plane joins", waiting(1), [MEMBER, waiting(1)], None),
    ("a third waits for the second", waiting(2), [MEMBER, joining(1), waiting(2)], "one at a time"),
    ("the one that is joining goes on", joining(1), [MEMBER, joining(1), waiting(2)], None),
    ("a third joins after the second", waiting(2), [MEMBER, joined(CP[1]), waiting(2)], None),
    ("a replacement waits for the lost member to go", waiting(1),
     [MEMBER, lost(2), waiting(1)], "must be taken out first"),
    ("also when the lost one never joined", waiting(1),
     [MEMBER, lost(2, had_joined=False), waiting(1)], "must be taken out first"),
    ("and joins when it is out", waiting(1),
     [MEMBER, replace(lost(2), member_removed_at=AT), waiting(1)], None),
    ("one that was lost before it was told to join does not hinder", waiting(1),
     [MEMBER, replace(lost(2), joining_at=None, joined_at=None), waiting(1)], None),
    ("a worker does not wait for a lost member", NEW_WORKER, [MEMBER, lost(2), NEW_WORKER], None),
    ("nobody joins when every member is lost", waiting(1), [lost(0), waiting(1)], "snapshot"),
    ("not even a worker", NEW_WORKER, [lost(0), waiting(1), NEW_WORKER], "snapshot"),
    ("a first one that failed before it joined is followed by another", waiting(1),
     [lost(0, had_joined=False), waiting(1)], None),
    ("a machine that was written off never joins", lost(0), [lost(0), waiting(1)], "written off"),
]  # fmt: skip


@pytest.mark.parametrize("case", JOINS, ids=[c[0] for c in JOINS])
def test_may_join(case: tuple[str, Machine, list[Machine], str | None]) -> None:
    _, machine, machines, expected = case
    answer = may_join(machine, machines, ADDRESS)
    assert (answer is None) is (expected is None), answer
    assert (expected or "") in (answer or "")


def test_nobody_joins_before_the_address_is_known() -> None:
    for machine in (FIRST, NEW_WORKER, waiting(1)):
        reason = may_join(machine, [MEMBER, machine], None)
        assert reason == "the cluster's address is not reserved yet"


def test_initialising_is_over_for_ever_once_one_has_joined() -> None:
    assert initialises([FIRST, NEW_WORKER])
    assert not initialises([MEMBER])
    assert not initialises([lost(0)])


def world_of(*machines: Machine, silent: tuple[int, ...] = ()) -> Observed:
    agents = {
        m.id: AgentSeen(AT, late=n in silent)
        for n, m in enumerate(machines)
        if m.is_wanted and m.joined_at
    }
    return Observed(machines={m.id: m for m in machines}, agents=agents)


def three(*, without: int) -> list[Machine]:
    return [joined(CP[n]) for n in range(3) if n != without]


def test_one_lost_member_of_three_is_taken_out_through_a_living_one() -> None:
    gone = lost(2)
    found = removals(world_of(*three(without=2), gone))
    assert found == [RemoveMember(gone.id, MEMBER.id, f"{gone.name} is lost")]


@pytest.mark.fault("F35", "P")
def test_of_two_lost_members_one_goes_at_a_time_while_the_quorum_lasts() -> None:
    five = a_spec(5, 0).nodes
    machines = [*(joined(n) for n in five[:3]), written_off(five[3]), written_off(five[4])]
    assert [type(r) for r in removals(world_of(*machines))] == [RemoveMember]


@pytest.mark.fault("F35", "P")
def test_a_lost_quorum_is_for_a_person() -> None:
    found = removals(world_of(joined(CP[0]), lost(1), lost(2)))
    assert found == [
        Waiting("etcd", "quorum lost: 1 of 3 members live; a snapshot must be restored", True)
    ]


def test_members_that_are_only_late_are_waited_for() -> None:
    found = removals(world_of(*three(without=2), lost(2), silent=(1,)))
    assert found == [Waiting("etcd", "1 of 3 members are heard; waiting for more")]
    nobody = removals(world_of(*three(without=2), lost(2), silent=(0, 1)))
    assert [type(w) for w in nobody] == [Waiting]


@pytest.mark.fault("F36", "P")
def test_one_that_never_joined_has_no_vote_and_goes() -> None:
    found = removals(world_of(joined(CP[0]), lost(1, had_joined=False)))
    assert [type(r) for r in found] == [RemoveMember]


def test_nothing_is_taken_out_twice_nor_before_there_is_a_cluster() -> None:
    out = replace(lost(2), member_removed_at=AT)
    assert removals(world_of(*three(without=2), out)) == []
    assert removals(world_of(waiting(1), lost(0, had_joined=False))) == []
    assert lost_members([out, written_off(WORKER)]) == []


@pytest.mark.parametrize(
    ("living", "members", "expected"),
    [(1, 1, True), (1, 2, False), (2, 2, True), (2, 3, True), (1, 3, False), (2, 4, False),
     (3, 4, True), (3, 5, True), (2, 5, False), (0, 1, False)],
)  # fmt: skip
def test_quorum_is_more_than_half(living: int, members: int, expected: bool) -> None:
    assert has_quorum(living, members) is expected


def held_by(world: World) -> Machine | None:
    return endpoint_holder(world.observed, Cloud.AWS)


def test_the_address_stays_while_its_holder_lives() -> None:
    world = a_world(3)
    first, second, _ = world.of(Role.CONTROL_PLANE)
    assert held_by(world) == first
    older = replace(second, joined_at=AT - timedelta(days=1))
    assert held_by(world.with_machines(older)) == first


def test_the_address_moves_when_its_holder_is_silent_or_written_off() -> None:
    world = a_world(3)
    first, second, _ = world.of(Role.CONTROL_PLANE)
    late = {**world.observed.agents, first.id: AgentSeen(AT - SECOND, late=True)}
    assert held_by(world.see(agents=late, kube=None)) == second
    assert held_by(world.with_machines(replace(first, written_off_at=AT))) == second


def test_the_address_stays_at_a_silent_holder_while_the_api_answers_through_it() -> None:
    world = a_world(3)
    first = world.of(Role.CONTROL_PLANE)[0]
    late = {**world.observed.agents, first.id: AgentSeen(AT - SECOND, late=True)}
    assert held_by(world.see(agents=late)) == first


def test_the_address_does_not_move_while_nobody_is_heard() -> None:
    world = a_world(3)
    first = world.of(Role.CONTROL_PLANE)[0]
    assert held_by(world.see(agents={})) == first


def test_before_anything_joined_the_first_that_runs_holds_it() -> None:
    world = a_world(3)
    new = [replace(m, joined_at=None, ready_at=None) for m in world.of(Role.CONTROL_PLANE)]
    young = world.with_machines(*new).without("aws/address-binding/endpoint")
    assert held_by(young) == min(new, key=lambda m: (m.chosen_at, m.id))
    first = new[0]
    booting = young.with_things(replace(young.observed.things[first.resource], life=Life.PENDING))
    assert held_by(booting) == new[1]
    machines = {m.resource for m in new}
    assert held_by(young.without(*machines)) is None


def test_living_members_are_in_the_order_in_which_they_joined() -> None:
    world = a_world(3)
    found = control_plane.living_members(world.observed.machines, world.observed.agents)
    assert [m.joined_at for m in found] == sorted(m.joined_at for m in found if m.joined_at)
    assert len(found) == 3
