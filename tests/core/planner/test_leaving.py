"""How a machine leaves while it lives: pods first, quorum always, then it goes."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.core.planner.build import (
    AT,
    HERE,
    MINUTE,
    RULES,
    SECOND,
    World,
    a_machine,
    a_market,
    a_world,
    identities,
)

from holdfast.model.action import Drain, RemoveMember, Waiting
from holdfast.model.ids import ResourceName
from holdfast.model.machine import Machine, Stage
from holdfast.model.observed import AgentSeen, Blind
from holdfast.model.resource import AddressBinding, Role
from holdfast.model.workload import Pod
from holdfast.planner import check
from holdfast.planner.decision import decide
from holdfast.planner.leaving import deadline, departed, leave, why_stays
from holdfast.planner.machines import choose

BINDING = ResourceName("aws/address-binding/endpoint")
WEB = Pod("default", "web-1", None, "Running", is_daemon=False, is_mirror=False)
DAEMON = replace(WEB, name="flannel", is_daemon=True)


def leaving(world: World, machine: Machine, since: timedelta = SECOND, **facts: Any) -> World:
    """The machine leaves, and its request is gone."""
    nodes = tuple(node for node in world.cluster.spec.nodes if node.id != machine.request)
    cluster = replace(world.cluster, spec=replace(world.cluster.spec, nodes=nodes))
    gone = replace(machine, leaving_at=AT - since, leaving_reason="no longer wanted", **facts)
    return replace(world, cluster=cluster).with_machines(gone)


def with_pods(world: World, machine: Machine, *pods: Pod, cordoned: bool = True) -> World:
    """What is seen of its node."""
    kube = world.observed.kube
    assert kube is not None
    node = replace(kube.nodes[machine.name], unschedulable=cordoned)
    nodes = {**kube.nodes, machine.name: node}
    return world.see(kube=replace(kube, nodes=nodes, pods={machine.name: pods}))


def after(world: World, machine: Machine) -> Machine:
    """The machine after the next decision."""
    choice = choose(world.cluster, world.observed, a_market(), identities(), RULES, AT)
    return choice.machines[machine.id]


def steps(world: World) -> list[object]:
    plan = decide(world.cluster, world.observed.machines, world.observed, RULES, AT)
    check.invariants(plan, world.observed, world.cluster, HERE)
    return [*plan.actions, *plan.waiting]


def a_worker(world: World) -> Machine:
    return world.of(Role.WORKER)[0]


def test_a_node_is_drained_before_its_machine_is_written_off() -> None:
    world = a_world()
    worker = a_worker(world)
    world = leaving(world, worker)
    assert after(world, worker).is_wanted
    drains = [step for step in steps(world) if isinstance(step, Drain)]
    assert [drain.node for drain in drains] == [worker.name]
    assert drains[0].reason == "no longer wanted; until 12:14:59 UTC at most"


@pytest.mark.parametrize(
    ("pods", "cordoned", "stays"),
    [((), True, False), ((DAEMON,), True, False), ((replace(WEB, phase="Failed"),), True, False),
     ((WEB,), True, True), ((replace(WEB, is_leaving=True),), True, True), ((), False, True)],
)  # fmt: skip
def test_it_goes_once_its_node_is_cordoned_and_empty(
    pods: tuple[Pod, ...], cordoned: bool, stays: bool
) -> None:
    world = a_world()
    worker = a_worker(world)
    world = with_pods(leaving(world, worker), worker, *pods, cordoned=cordoned)
    gone = after(world, worker)
    assert gone.is_wanted is stays
    assert gone.written_off_reason == (None if stays else "no longer wanted")


def test_the_deadline_ends_the_wait_for_pods() -> None:
    world = a_world()
    worker = a_worker(world)
    early = with_pods(leaving(world, worker, RULES.drain_deadline - SECOND), worker, WEB)
    late = with_pods(leaving(world, worker, RULES.drain_deadline), worker, WEB)
    assert after(early, worker).is_wanted
    assert not after(late, worker).is_wanted


def test_force_is_a_drain_time_of_nothing() -> None:
    world = a_world()
    worker = a_worker(world)
    forced = with_pods(leaving(world, worker, 0 * SECOND, drain_seconds=0), worker, WEB)
    assert not after(forced, worker).is_wanted
    assert deadline(replace(worker, leaving_at=AT, drain_seconds=60), RULES) == AT + MINUTE
    assert deadline(worker, RULES) is None


def test_one_that_never_joined_is_written_off_at_once() -> None:
    new = a_machine(a_world().cluster.spec.nodes[-1])
    assert leave(new, "no longer wanted", AT).stage is Stage.DELETING
    assert leave(replace(new, joined_at=AT), "no longer wanted", AT).stage is Stage.LEAVING


def test_nothing_goes_while_a_part_of_the_world_is_out_of_sight() -> None:
    world = a_world()
    worker = a_worker(world)
    world = leaving(world, worker, RULES.drain_deadline)
    blind = world.see(blind=(Blind(frozenset(), "outage", "Unavailable"),))
    assert after(blind, worker).is_wanted
    assert not after(world, worker).is_wanted


def test_without_the_clusters_api_it_waits_until_the_deadline_and_says_so() -> None:
    world = a_world()
    worker = a_worker(world)
    world = leaving(world, worker).see(kube=None)
    assert after(world, worker).is_wanted
    waits = [s for s in steps(world) if isinstance(s, Waiting) and s.subject == worker.name]
    assert "at 12:14:59 UTC it goes undrained" in waits[0].reason


def held_by(world: World, holder: Machine) -> World:
    """The users' address leads to that control plane."""
    binding = world.observed.things[BINDING]
    assert isinstance(binding.resource, AddressBinding)
    resource = replace(binding.resource, machine=holder.resource)
    return world.with_things(replace(binding, resource=resource))


def empty(world: World, machine: Machine) -> World:
    """Its node is drained, and the users' address is at another control plane."""
    other = next(m for m in world.of(Role.CONTROL_PLANE) if m.id != machine.id)
    return with_pods(held_by(world, other), machine)


def test_the_address_moves_before_its_holder_goes() -> None:
    world = a_world(3)
    first, second, _ = world.of(Role.CONTROL_PLANE)
    held = with_pods(leaving(world, first), first)
    assert after(held, first).drained_at is None
    assert "the cluster's address moves first" in str(steps(held))
    assert after(empty(leaving(world, first), first), first).drained_at == AT
    assert after(empty(leaving(world, second), second), second).drained_at == AT


def test_a_members_way_out_is_drained_then_removed_then_written_off() -> None:
    world = a_world(3)
    member = world.of(Role.CONTROL_PLANE)[1]
    drained = replace(after(empty(leaving(world, member), member), member))
    assert drained.is_wanted
    world = world.with_machines(drained)
    orders = [step for step in steps(world) if isinstance(step, RemoveMember)]
    assert [order.lost for order in orders] == [member.id]
    assert orders[0].through != member.id
    out = world.with_machines(replace(drained, member_removed_at=AT))
    assert after(out, member).written_off_reason == "no longer wanted"


def test_of_two_members_one_can_leave_and_of_one_none() -> None:
    two = a_world(2)
    member = two.of(Role.CONTROL_PLANE)[1]
    assert after(empty(leaving(two, member), member), member).drained_at == AT
    lone = a_world(1)
    only = lone.of(Role.CONTROL_PLANE)[0]
    gone = with_pods(leaving(lone, only), only).without(BINDING)
    assert after(gone, only).drained_at is None
    known = gone.observed.machines
    why = why_stays(known, known[only.id], gone.observed, RULES, AT)
    assert why == "it is the last control plane"


def test_force_does_not_end_the_wait_for_the_quorum() -> None:
    world = a_world(3)
    member, other, third = world.of(Role.CONTROL_PLANE)
    world = empty(leaving(world, member, drain_seconds=0), member)
    late = {
        m: AgentSeen(AT - SECOND, late=m in {other.id, third.id}) for m in world.observed.agents
    }
    assert after(world.see(agents=late), member).drained_at is None
    assert after(world, member).drained_at == AT


@pytest.mark.parametrize("other", ["leaves", "joins", "was lost"])
def test_one_member_is_in_change_at_a_time(other: str) -> None:
    world = a_world(5)
    member, second = world.of(Role.CONTROL_PLANE)[:2]
    world = empty(leaving(world, member), member)
    changed = {
        "leaves": replace(second, leaving_at=AT, leaving_reason="x", drained_at=AT),
        "joins": replace(second, joined_at=None, ready_at=None),
        "was lost": replace(second, written_off_at=AT),
    }[other]
    assert after(world.with_machines(changed), member).drained_at is None


def test_two_that_could_leave_do_not_leave_in_one_decision() -> None:
    world = a_world(5)
    first, second, third = world.of(Role.CONTROL_PLANE)[:3]
    world = leaving(leaving(world, first, drain_seconds=0), second, drain_seconds=0)
    world = held_by(world, third)
    gone = departed(world.observed.machines, world.observed, RULES, AT)
    assert len([m for m in gone if m.drained_at is not None]) == 1
