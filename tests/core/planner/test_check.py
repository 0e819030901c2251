"""Every invariant of a plan can fail."""

from dataclasses import replace
from typing import Any

import pytest
from tests.core.planner.build import AT, HERE, World, a_world, deleting, written_off

from holdfast.model.action import Action, Create, Delete, Plan, RemoveMember
from holdfast.model.ids import ClusterId, InstallationId, MachineId, ResourceName
from holdfast.model.observed import Blind, Life
from holdfast.model.resource import Role
from holdfast.planner.check import PlanRefused, invariants

NETWORK = ResourceName("aws/network")
RULE = ResourceName("aws/rule/worker/egress")
UP, HA = a_world(), a_world(3)
BLIND = Blind(frozenset({"Network"}), "outage")


def delete(world: World, name: ResourceName, **changes: Any) -> Delete:
    return Delete(replace(world.observed.things[name], **changes), "why")


def worker(number: int) -> ResourceName:
    return UP.of(Role.WORKER)[number].resource


def first_control_plane(world: World) -> ResourceName:
    return world.of(Role.CONTROL_PLANE)[0].resource


def member(lost: MachineId) -> RemoveMember:
    return RemoveMember(lost, HA.machines[0].id, "why")


LOST = written_off(HA.cluster.spec.nodes[2])
OTHER = written_off(HA.cluster.spec.nodes[1])
WITH_LOST = HA.with_machines(LOST, OTHER)
LOST_WORKER = written_off(HA.cluster.spec.nodes[4])
NOBODY = WITH_LOST.with_machines(*(replace(m, written_off_at=AT) for m in HA.machines))

REFUSED: list[tuple[str, World, list[Action], str]] = [
    ("a second one of what is there", UP, [Create(UP.wanted[NETWORK], "why")], "I1"),
    ("of what is coming up",
     UP.with_things(replace(UP.observed.things[NETWORK], life=Life.PENDING)),
     [Create(UP.wanted[NETWORK], "why")], "I1"),
    ("what it is blind to", UP.without(NETWORK).see(blind=(BLIND,)),
     [Create(UP.wanted[NETWORK], "why")], "I14"),
    ("anything while all is blind", UP.without(RULE).see(blind=(Blind(frozenset(), "outage"),)),
     [Create(UP.wanted[RULE], "why")], "I14"),
    ("a thing of another cluster", UP, [delete(UP, RULE, cluster=ClusterId("x"))], "I3"),
    ("a thing of another installation", UP,
     [delete(UP, RULE, installation=InstallationId("x"))], "I3"),
    ("a thing that was not seen", UP.without(RULE), [delete(UP, RULE)], "I3"),
    ("a thing that looks otherwise", UP, [delete(UP, RULE, life=Life.PENDING)], "I3"),
    ("a network part while blind", UP.see(blind=(BLIND,)), [delete(UP, RULE)], "I14"),
    ("two wanted machines at once", UP, [delete(UP, worker(0)), delete(UP, worker(1))], "I16"),
    ("a wanted machine while blind", UP.see(blind=(BLIND,)), [delete(UP, worker(0))], "I14"),
    ("the only control plane", UP, [delete(UP, first_control_plane(UP))], "I6"),
    ("one of two", a_world(2), [delete(a_world(2), first_control_plane(a_world(2)))], "I6"),
    ("two members at once", WITH_LOST, [member(LOST.id), member(OTHER.id)], "I6"),
    ("the member of one that is wanted", HA, [member(HA.machines[1].id)], "I6"),
    ("the member of a worker", HA.with_machines(LOST_WORKER), [member(LOST_WORKER.id)], "I6"),
    ("the last member", NOBODY, [member(LOST.id)], "I6"),
]  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=[c[0] for c in REFUSED])
def test_it_refuses(case: tuple[str, World, list[Action], str]) -> None:
    _, world, actions, rule = case
    with pytest.raises(PlanRefused, match=f"^{rule}:"):
        invariants(Plan(tuple(actions)), world.observed, world.cluster, HERE)


GONE = deleting(a_world())
COPY = replace(UP.observed.things[worker(0)], id="i-copy")  # type: ignore[arg-type]
ALLOWED: list[tuple[str, World, list[Action]]] = [
    ("a missing thing", UP.without(RULE), [Create(UP.wanted[RULE], "why")]),
    ("a thing that ended", UP.with_things(replace(UP.observed.things[RULE], life=Life.GONE)),
     [Create(UP.wanted[RULE], "why")]),
    ("a thing that it sees while blind to others", UP.without(RULE).see(blind=(BLIND,)),
     [Create(UP.wanted[RULE], "why")]),
    ("one wanted worker", UP, [delete(UP, worker(0))]),
    ("one of three control planes", HA, [delete(HA, first_control_plane(HA))]),
    ("a second copy", UP.see(surplus=(COPY,)), [Delete(COPY, "why")]),
    ("all machines of a deletion", GONE, [delete(GONE, m.resource) for m in GONE.machines]),
    ("machines of a deletion while blind", GONE.see(blind=(BLIND,)),
     [delete(GONE, worker(0))]),
    ("one lost member", WITH_LOST, [member(LOST.id)]),
]  # fmt: skip


@pytest.mark.parametrize("case", ALLOWED, ids=[c[0] for c in ALLOWED])
def test_it_allows(case: tuple[str, World, list[Action]]) -> None:
    _, world, actions = case
    invariants(Plan(tuple(actions)), world.observed, world.cluster, HERE)
