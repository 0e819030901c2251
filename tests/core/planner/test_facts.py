"""What a pass learns about machines."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.core.planner.build import (
    AT,
    HOUR,
    MINUTE,
    RULES,
    World,
    a_machine,
    a_node,
    a_world,
    vm_of,
    written_off,
)

from holdfast.model.event import NewEvent
from holdfast.model.machine import Machine, Stage
from holdfast.model.observed import Blind, Life, Unsure
from holdfast.model.resource import Role
from holdfast.planner.facts import learned


def told(world: World, now: Any = AT) -> tuple[tuple[Machine, ...], list[str]]:
    machines, events = learned(world.observed, RULES, now)
    assert all(isinstance(event, NewEvent) for event in events)
    return machines, [event.reason for event in events]


def test_a_world_that_did_not_change_teaches_nothing() -> None:
    assert told(a_world(3)) == ((), [])


def booting(**thing: Any) -> World:
    """The last worker was asked for and shows itself now."""
    world = a_world()
    request = world.cluster.spec.nodes[-1]
    machine = a_machine(request)
    return world.with_machines(machine).with_things(
        replace(world.observed.things[machine.resource], **thing)
    )


def test_the_first_sight_of_a_machine_gives_its_id_and_addresses() -> None:
    world = booting(life=Life.PENDING, public_ip=None)
    (machine,), reasons = told(world)
    assert machine.provider_id == world.observed.things[machine.resource].id
    assert machine.launched_at == AT
    assert machine.private_ip == "10.10.0.4"
    assert machine.public_ip is None
    assert machine.stage is Stage.LAUNCHED
    assert reasons == ["MachineCreated"]
    later = world.with_machines(machine).with_things(
        replace(
            world.observed.things[machine.resource], life=Life.PRESENT, public_ip="198.51.100.9"
        )
    )
    (running,), reasons = told(later, AT + MINUTE)
    assert (running.public_ip, running.launched_at) == ("198.51.100.9", AT)
    assert reasons == []


def test_a_machine_that_goes_keeps_its_addresses_for_the_record() -> None:
    world = a_world()
    worker = world.of(Role.WORKER)[0]
    thing = world.observed.things[worker.resource]
    going = replace(thing, life=Life.LEAVING, private_ip=None, public_ip=None)
    assert told(world.with_things(going)) == ((), [])


def with_node(world: World, ready: bool | None) -> World:
    name = world.of(Role.WORKER)[0].name
    kube = world.observed.kube
    assert kube
    return world.see(kube=replace(kube, nodes={**kube.nodes, name: a_node(name, ready=ready)}))


def test_readiness_follows_the_node() -> None:
    for state in (False, None):
        (machine,), reasons = told(with_node(a_world(), state))
        assert machine.ready_at is None
        assert reasons == ["NodeNotReady"]
    world = a_world()
    worker = replace(world.of(Role.WORKER)[0], ready_at=None)
    (machine,), reasons = told(with_node(world.with_machines(worker), True))
    assert machine.ready_at == AT
    assert reasons == ["NodeReady"]


def test_a_silent_api_server_changes_no_readiness() -> None:
    assert told(with_node(a_world(), False).see(kube=None)) == ((), [])


def test_a_node_that_vanished_is_not_ready() -> None:
    world = a_world()
    kube = world.observed.kube
    assert kube
    (*machines,), reasons = told(world.see(kube=replace(kube, nodes={})))
    assert {m.ready_at for m in machines} == {None}
    assert len(reasons) == 4


def ending(life: Life | None, **changes: Any) -> World:
    """A worker was written off; `life` is what the cloud says of its VM, None: nothing."""
    world = a_world()
    request = world.cluster.spec.nodes[-1]
    machine = written_off(request, **changes)
    world = world.with_machines(machine)
    if life is None:
        return world
    return world.with_things(vm_of(world, world.machines[-2], machine, life))


ENDS = [
    ("the cloud says terminated", ending(Life.GONE), True),
    ("it is shutting down", ending(Life.LEAVING), False),
    ("it still runs", ending(Life.PRESENT), False),
    ("it was never asked for", ending(None, provider_id=None), True),
]


@pytest.mark.parametrize("case", ENDS, ids=[c[0] for c in ENDS])
def test_a_written_off_machine_is_gone(case: tuple[str, World, bool]) -> None:
    _, world, is_gone = case
    machines, reasons = told(world)
    assert ("MachineGone" in reasons) is is_gone
    assert [m.gone_at for m in machines if m.gone_at] == ([AT] if is_gone else [])


@pytest.mark.fault("F04", "P")
def test_an_absence_counts_after_the_window_and_enough_readings_and_never_blindly() -> None:
    world = ending(None)
    name = world.machines[-1].resource
    for age, readings, is_gone in (
        (timedelta(), 1, False),
        (HOUR, 2, False),
        (5 * MINUTE, 3, True),
    ):
        unsure = {name: Unsure(AT - age, readings)}
        assert ("MachineGone" in told(world.see(unsure=unsure))[1]) is is_gone
        blind = (Blind(frozenset({"Subnet"}), "outage"),)
        assert "MachineGone" not in told(world.see(unsure=unsure, blind=blind))[1]
