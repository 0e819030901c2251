"""Safety: whatever one pass sees, these things are never planned."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.planner.build import (
    AT,
    HERE,
    MINUTE,
    RULES,
    SECOND,
    World,
    a_market,
    a_world,
    deleting,
    identities,
    seen,
    written_off,
)

from holdfast.model.action import Create, Delete, DeleteNode, RemoveMember
from holdfast.model.ids import ClusterId, InstallationId, ProviderId
from holdfast.model.machine import Machine
from holdfast.model.observed import AgentSeen, Blind, Foreign, Life, Unsure
from holdfast.model.resource import FirewallRule, Role, VirtualMachine
from holdfast.planner import check
from holdfast.planner.decision import decide
from holdfast.planner.machines import choose
from holdfast.planner.order import comes_after

KINDS = sorted({type(r).__name__ for r in a_world().wanted.values()})
WORLDS = {size: a_world(*size) for size in ((1, 2), (3, 2))}
EXAMPLES = settings(max_examples=300, deadline=None)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A cluster that was up, and then anything happened to what is seen of it."""
    world = WORLDS[draw(st.sampled_from(sorted(WORLDS)))]
    names = sorted(world.observed.things)
    gone = draw(st.sets(st.sampled_from(names), max_size=6))
    altered = draw(
        st.dictionaries(st.sampled_from(names), st.sampled_from([*Life, None]), max_size=6)
    )
    things = [_altered(world, name, life) for name, life in altered.items()]
    copies = draw(st.lists(st.sampled_from(names), max_size=2))
    blind = draw(st.one_of(st.none(), st.sets(st.sampled_from(KINDS), max_size=3)))
    world = (
        world.with_things(*things)
        .without(*gone)
        .see(
            surplus=tuple(replace(seen(world.wanted[n]), id=ProviderId("copy")) for n in copies),
            blind=() if blind is None else (Blind(frozenset(blind), "outage", "Unavailable"),),
            unsure={n: Unsure(AT - draw(AGES), 3, draw(st.integers(0, 4))) for n in gone},
            foreign=tuple(
                Foreign(ProviderId(f"i-f{n}"), "instance", frozenset({name}), "no tags")
                for n, name in enumerate(draw(st.sets(st.sampled_from(names), max_size=2)))
            ),
        )
    )
    world = _with_lost(draw, world)
    world = world.see(
        kube=draw(st.sampled_from([world.observed.kube, None])),
        agents={m.id: AgentSeen(AT, late=draw(st.booleans())) for m in world.machines},
    )
    return deleting(world) if draw(st.booleans()) else world


AGES = st.sampled_from([0 * SECOND, 20 * SECOND, MINUTE, 6 * MINUTE, 60 * MINUTE])


def _altered(world: World, name: Any, life: Life | None) -> Any:
    """Another life, or (None) a thing that somebody changed."""
    thing = world.observed.things[name]
    if life is not None:
        return replace(thing, life=life)
    match thing.resource:
        case FirewallRule() as rule:
            return replace(thing, resource=replace(rule, to_port=1))
        case VirtualMachine() as vm:
            return replace(thing, resource=replace(vm, groups=()))
        case resource:
            return replace(thing, resource=replace(resource))


def _with_lost(draw: st.DrawFn, world: World) -> World:
    """Some requests have a machine that was lost; it may have been a member of etcd."""
    nodes = world.cluster.spec.nodes
    lost = draw(st.lists(st.sampled_from(nodes), max_size=2, unique=True))
    machines = [written_off(node, joined_at=draw(st.sampled_from([None, AT]))) for node in lost]
    return world.with_machines(*machines)


@given(worlds())
@EXAMPLES
def test_every_plan_keeps_the_rules(world: World) -> None:
    cluster, observed = world.cluster, world.observed
    choice = choose(cluster, observed, a_market(), identities(), RULES, AT)
    after = replace(observed, machines=choice.machines)
    plan = decide(cluster, choice.machines, after, RULES, AT)
    check.invariants(plan, after, cluster, HERE)
    living = {n: s for n, s in observed.things.items() if s.life in {Life.PENDING, Life.PRESENT}}
    for action in plan.actions:
        match action:
            case Create(resource=resource):
                assert resource.name not in living
                assert not observed.is_blind_to(resource)
                assert not cluster.is_deleting
                for need in comes_after(resource):
                    assert observed.things[need].life is Life.PRESENT
            case Delete(seen=thing):
                assert thing in observed.things.values() or thing in observed.surplus
                assert (
                    not any(thing.resource.name in f.holds for f in observed.foreign)
                    or thing in observed.surplus
                )
                assert not observed.blind or isinstance(thing.resource, VirtualMachine)
            case DeleteNode(node=node):
                assert node not in {m.name for m in choice.machines.values() if m.is_wanted}
            case _:
                pass
    assert sum(isinstance(action, RemoveMember) for action in plan.actions) <= 1
    assert len(_wanted_and_taken(plan.actions, after.machines.values(), world)) <= 1


def _wanted_and_taken(actions: Any, machines: Any, world: World) -> list[Machine]:
    """Living machines that are wanted and lose their VM."""
    gone = {a.seen.id for a in actions if isinstance(a, Delete)}
    things = world.observed.things
    return [
        m
        for m in machines
        if m.is_wanted
        and m.resource in things
        and things[m.resource].life in {Life.PENDING, Life.PRESENT}
        and things[m.resource].id in gone
        and not world.cluster.is_deleting
    ]


@pytest.mark.fault("F38", "P")
@given(worlds())
@EXAMPLES
def test_blindness_never_costs_a_wanted_machine(world: World) -> None:
    blind = world.see(blind=(Blind(frozenset({"Address"}), "outage", "Unavailable"),))
    lost = {m.id for m in blind.machines if not m.is_wanted}
    choice = choose(blind.cluster, blind.observed, a_market(), identities(), RULES, AT)
    plan = decide(
        blind.cluster,
        choice.machines,
        replace(blind.observed, machines=choice.machines),
        RULES,
        AT,
    )
    assert not _wanted_and_taken(plan.actions, choice.machines.values(), blind)
    if blind.cluster.is_deleting:
        return
    announced = {Life.GONE, Life.LEAVING, Life.FAILED}
    for machine in choice.changed:
        if (
            machine.id in blind.observed.machines
            and machine.id not in lost
            and not machine.is_wanted
        ):
            seen_now = blind.observed.things.get(machine.resource)
            reason = machine.written_off_reason or ""
            assert (seen_now and seen_now.life in announced) or "did not join" in reason


@given(worlds(), st.sampled_from(["cluster", "installation"]))
@settings(max_examples=100, deadline=None)
def test_nothing_of_others_passes_the_check(world: World, whose: str) -> None:
    """Not even if a listing hands in a thing of another cluster as one of ours."""
    other = (
        {"cluster": ClusterId("other")}
        if whose == "cluster"
        else {"installation": InstallationId("o")}
    )
    alien = {n: replace(s, **other) for n, s in world.observed.things.items()}
    hidden = replace(world.observed, things=alien, surplus=())
    plan = decide(world.cluster, hidden.machines, hidden, RULES, AT)
    deletes = [a for a in plan.actions if isinstance(a, Delete)]
    if deletes:
        with pytest.raises(check.PlanRefused, match="not of this cluster"):
            check.invariants(plan, hidden, world.cluster, HERE)


def test_the_worlds_that_are_drawn_lose_control_planes_too() -> None:
    lost = written_off(WORLDS[3, 2].cluster.spec.nodes[0])
    assert lost.role is Role.CONTROL_PLANE
    assert not lost.is_wanted
