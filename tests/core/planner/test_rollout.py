"""Replacement of machines that live: new first, a few at a time, stopped by a failure."""

from dataclasses import replace
from typing import Any

import pytest
from tests.core.planner.build import (
    AT,
    MINUTE,
    RULES,
    World,
    a_market,
    a_world,
    identities,
    joined,
)

from holdfast.model.action import Waiting
from holdfast.model.ids import MachineId, ProviderId
from holdfast.model.machine import Machine
from holdfast.model.observed import Blind, Life
from holdfast.model.offering import CapacityType
from holdfast.model.resource import Role
from holdfast.planner.decision import decide
from holdfast.planner.drift import outdated
from holdfast.planner.machines import Choice, choose

NEW = MachineId("ffff0000-cccc-4ccc-8ccc-444444444444")


def asked(world: World, role: Role = Role.WORKER) -> World:
    """A user wants all machines of a role replaced."""
    return world.with_machines(*(replace(m, replace_reason="new image") for m in world.of(role)))


def chosen(world: World, **rules: Any) -> Choice:
    return choose(
        world.cluster, world.observed, a_market(), identities(), replace(RULES, **rules), AT
    )


def new(world: World, choice: Choice) -> list[Machine]:
    return [m for m in choice.machines.values() if m.id not in world.observed.machines]


def waits(world: World) -> list[Waiting]:
    names = {m.name for m in world.machines}
    plan = decide(world.cluster, world.observed.machines, world.observed, RULES, AT)
    return [w for w in plan.waiting if w.subject in names]


def beside(world: World, old: Machine, **facts: Any) -> World:
    """Its replacement is there too."""
    request = next(node for node in world.cluster.spec.nodes if node.id == old.request)
    facts = {"id": NEW, "name": "new", "provider_id": ProviderId("i-new"), **facts}
    return world.with_machines(joined(request, chosen_at=AT - MINUTE, **facts))


def test_the_new_machine_comes_first_and_one_at_a_time() -> None:
    world = asked(a_world(1, 3))
    choice = chosen(world)
    made = new(world, choice)
    assert [m.request for m in made] == [world.of(Role.WORKER)[0].request]
    assert all(m.is_staying for m in choice.machines.values())
    assert len(new(world, chosen(world, surge=2))) == 2
    later = world.see(machines=choice.machines)
    assert new(later, chosen(later)) == []


def test_the_old_one_leaves_when_the_new_one_is_ready() -> None:
    world = asked(a_world(1, 3))
    old = world.of(Role.WORKER)[0]
    booting = beside(world, old, joined_at=None, ready_at=None)
    assert all(m.is_staying for m in chosen(booting).machines.values())
    left = [m for m in chosen(beside(world, old)).machines.values() if m.leaving_at is not None]
    assert [(m.id, m.leaving_reason) for m in left] == [
        (old.id, "replaced by new: replacement was asked for: new image")
    ]


def test_the_next_one_begins_when_the_old_one_is_gone() -> None:
    world = asked(a_world(1, 3))
    old = replace(world.of(Role.WORKER)[0], leaving_at=AT, leaving_reason="x")
    world = beside(world.with_machines(old), old)
    assert new(world, chosen(world)) == []
    machines = {m.id: m for m in world.machines if m.id != old.id}
    done = world.see(machines=machines)
    assert len(new(done, chosen(done))) == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [({"kube": None}, "the cluster's API does not answer"),
     ({"blind": (Blind(frozenset({"Subnet"}), "outage", "Unavailable"),)}, "not everything")],
)  # fmt: skip
def test_none_begins_while_the_world_is_not_seen(change: dict[str, Any], why: str) -> None:
    world = asked(a_world(1, 3)).see(**change)
    assert new(world, chosen(world)) == []
    assert why in waits(world)[-1].reason


def test_none_begins_while_another_of_its_role_is_not_ready() -> None:
    world = asked(a_world(1, 3))
    first, second, _ = world.of(Role.WORKER)
    ill = world.with_machines(replace(second, ready_at=None))
    made = new(ill, chosen(ill))
    assert [m.request for m in made] == [second.request]  # the one that is ill gets its new one
    assert f"{second.name} is not ready" in str([w for w in waits(ill) if w.subject == first.name])


def test_a_lone_control_plane_stays_and_a_person_is_told() -> None:
    world = asked(a_world(1, 3), Role.CONTROL_PLANE)
    assert new(world, chosen(world)) == []
    told = waits(world)
    assert [w.on_person for w in told] == [True]
    assert "only from a snapshot" in told[0].reason


def test_control_planes_and_workers_are_replaced_side_by_side() -> None:
    world = asked(asked(a_world(3, 3)), Role.CONTROL_PLANE)
    assert sorted(m.role for m in new(world, chosen(world))) == ["control-plane", "worker"]


def test_a_failed_new_machine_stops_the_role_until_somebody_asks_again() -> None:
    world = asked(a_world(1, 3))
    old = world.of(Role.WORKER)[0]
    long_ago = AT - RULES.join_deadline
    failing = beside(world, old, joined_at=None, ready_at=None, launched_at=long_ago)
    vm = replace(
        failing.observed.things[old.resource],
        id=ProviderId("i-new"),
        resource=replace(
            failing.wanted[old.resource], name=failing.observed.machines[NEW].resource
        ),
    )
    choice = chosen(failing.with_things(vm))
    stopped = choice.machines[old.id]
    assert (
        stopped.replace_stopped == "new, made in its place, failed: did not join within 15 minutes"
    )
    assert stopped.is_staying
    assert new(failing, choice) == []
    later = world.with_machines(stopped)
    told = waits(later)
    assert len(told) == 3
    assert all(w.on_person for w in told)
    assert "once you ask again" in told[0].reason
    again = later.with_machines(replace(stopped, replace_stopped=None))
    assert len(new(again, chosen(again))) == 1


def test_a_new_machine_that_was_lost_after_it_joined_is_healed() -> None:
    world = asked(a_world(1, 3))
    old = world.of(Role.WORKER)[0]
    dead = beside(world, old)
    like = dead.observed.things[old.resource]
    resource = replace(dead.wanted[old.resource], name=dead.observed.machines[NEW].resource)
    choice = chosen(
        dead.with_things(replace(like, id=ProviderId("i-new"), life=Life.GONE, resource=resource))
    )
    assert choice.machines[old.id].replace_stopped is None
    assert len(new(dead, choice)) == 1


def test_what_makes_a_machine_outdated() -> None:
    world = a_world()
    worker = world.of(Role.WORKER)[0]
    request = next(node for node in world.cluster.spec.nodes if node.id == worker.request)
    assert outdated(worker, request) == ""
    assert outdated(replace(worker, image="ami-0"), request) == ""
    typed = replace(request, instance_type="m5.xlarge")
    assert outdated(worker, typed) == "instance type: wanted m5.xlarge, has t3.medium"
    spot = replace(request, capacity_type=CapacityType.SPOT)
    assert outdated(worker, spot) == "capacity type: wanted spot, has on-demand"


def test_a_changed_request_is_rolled_out_like_a_wish() -> None:
    world = a_world(1, 3)
    nodes = tuple(
        replace(node, instance_type="m5.xlarge") if node.role is Role.WORKER else node
        for node in world.cluster.spec.nodes
    )
    spec = replace(world.cluster.spec, nodes=nodes)
    world = replace(world, cluster=replace(world.cluster, spec=spec))
    made = new(world, chosen(world))
    assert [m.offering.instance_type for m in made] == ["m5.xlarge"]
    ready = beside(world, world.of(Role.WORKER)[0], offering=made[0].offering)
    assert sum(m.leaving_at is not None for m in chosen(ready).machines.values()) == 1
