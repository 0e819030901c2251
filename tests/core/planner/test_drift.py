"""Machines that differ leave one at a time, and only when the others are well."""

from dataclasses import replace

import pytest
from tests.core.planner.build import AT, RULES, World, a_world, seen

from holdfast.model.action import Delete, Waiting
from holdfast.model.ids import ResourceName
from holdfast.model.machine import Machine
from holdfast.model.observed import Blind
from holdfast.model.resource import Network, Role, VirtualMachine
from holdfast.planner.decision import decide
from holdfast.planner.drift import difference


def changed(world: World, *machines: Machine) -> World:
    """Somebody took these machines out of their firewall group."""
    for machine in machines:
        thing = world.observed.things[machine.resource]
        assert isinstance(thing.resource, VirtualMachine)
        world = world.with_things(replace(thing, resource=replace(thing.resource, groups=())))
    return world


def leaving(world: World) -> list[ResourceName]:
    plan = decide(world.cluster, world.observed.machines, world.observed, RULES, AT)
    return [a.seen.resource.name for a in plan.actions if isinstance(a, Delete)]


def staying(world: World) -> dict[str, Waiting]:
    plan = decide(world.cluster, world.observed.machines, world.observed, RULES, AT)
    return {w.subject: w for w in plan.waiting}


def test_of_all_machines_that_differ_one_leaves() -> None:
    world = a_world(3)
    everyone = changed(world, *world.machines)
    binding = ResourceName("aws/address-binding/endpoint")
    assert leaving(everyone) == [binding]  # it leads to the first one
    assert leaving(everyone.without(binding)) == [min(m.resource for m in world.machines)]
    waits = staying(everyone.without(binding)).items()
    reasons = {w.reason for subject, w in waits if "/machine/" in subject}
    assert reasons == {"differs; another machine is replaced first"}


def test_a_lone_control_plane_stays_and_a_person_is_told() -> None:
    for number in (1, 2):
        world = a_world(number)
        control_plane = world.of(Role.CONTROL_PLANE)[0]
        wait = staying(changed(world, control_plane))[control_plane.resource]
        assert wait.on_person
        assert wait.reason == f"differs; with {number} control planes none can be spared"
        assert leaving(changed(world, control_plane)) == []


def test_its_address_stays_bound_while_it_stays() -> None:
    world = a_world(1)
    assert leaving(changed(world, world.machines[0])) == []


def unready(world: World, machine: Machine) -> World:
    return world.with_machines(replace(machine, ready_at=None))


HOLDS = [
    ("another is not ready", lambda w: unready(w, w.of(Role.WORKER)[1]), "is not ready"),
    ("something is blind", lambda w: w.see(blind=(Blind(frozenset({"Address"}), "x"),)),
     "not everything is visible"),
    ("the API server is silent", lambda w: w.see(kube=None), "does not answer"),
]  # fmt: skip


@pytest.mark.parametrize("case", HOLDS, ids=[c[0] for c in HOLDS])
def test_a_worker_that_differs_stays_while(case: tuple[str, object, str]) -> None:
    _, change, words = case
    world = a_world()
    worker = world.of(Role.WORKER)[0]
    held = change(changed(world, worker))  # type: ignore[operator]
    assert leaving(held) == []
    assert words in staying(held)[worker.resource].reason


def test_a_machine_that_has_not_begun_to_join_may_leave_at_any_time() -> None:
    world = a_world()
    worker = world.of(Role.WORKER)[0]
    young = replace(worker, joining_at=None, joined_at=None, ready_at=None)
    held = changed(unready(world, world.of(Role.WORKER)[1]).with_machines(young), worker)
    assert leaving(held.see(kube=None)) == [worker.resource]


def test_a_machine_that_was_written_off_leaves_whatever_holds() -> None:
    world = a_world()
    worker = world.of(Role.WORKER)[0]
    lost = unready(world, world.of(Role.WORKER)[1]).with_machines(
        replace(worker, written_off_at=AT)
    )
    assert leaving(lost) == [worker.resource]


def test_difference_names_field_wanted_and_found() -> None:
    network = a_world().wanted[ResourceName("aws/network")]
    assert isinstance(network, Network)
    other = replace(network, cidr=network.cidr.supernet())
    assert difference(network, other) == "cidr: wanted 10.10.0.0/16, found 10.10.0.0/15"
    gateway = a_world().wanted[ResourceName("aws/gateway")]
    assert difference(network, gateway) == "wanted a network, found a gateway"
    assert difference(network, seen(network).resource) == (
        "it leans on something that must be replaced"
    )
