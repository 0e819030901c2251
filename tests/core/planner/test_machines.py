"""Which machines shall exist."""

from dataclasses import replace

import pytest
from tests.core.planner.build import (
    AT,
    MINUTE,
    REGION,
    RULES,
    World,
    a_cluster,
    a_machine,
    a_market,
    a_region,
    a_world,
    deleting,
    identities,
)

from holdfast.model.event import Severity
from holdfast.model.ids import MachineId, ProviderId
from holdfast.model.machine import Machine
from holdfast.model.observed import Life, Observed
from holdfast.model.offering import Cloud, OfferingKey
from holdfast.model.resource import Role
from holdfast.planner.machines import Choice, Identities, choose


def chosen(world: World, *sold_out: OfferingKey, known: Identities | None = None) -> Choice:
    market = a_market(sold_out=frozenset(sold_out))
    return choose(world.cluster, world.observed, market, known or identities(), RULES, AT)


def new(control_planes: int = 1, workers: int = 2) -> World:
    return World(a_cluster(control_planes, workers), Observed())


def after(world: World, choice: Choice) -> World:
    return world.see(machines=choice.machines)


def wanted(choice: Choice) -> list[Machine]:
    return [m for m in choice.machines.values() if m.is_wanted]


def test_every_request_gets_one_machine_whose_id_is_the_requests() -> None:
    world = new()
    choice = chosen(world)
    assert {m.id for m in wanted(choice)} == {
        MachineId(node.id) for node in world.cluster.spec.nodes
    }
    assert [m.role for m in choice.changed] == [node.role for node in world.cluster.spec.nodes]
    first = choice.changed[0]
    assert first.name == "web-shop-11111111-aws-c000"
    assert (first.image, first.disk_gib, first.attempt) == ("ami-1", 30, 1)
    assert first.nonce_hash == f"hash of {first.id}"
    assert [e.reason for e in choice.events] == ["MachineChosen"] * 3
    assert "t3.large on-demand in eu-central-1a at 0.0800 USD/h" in choice.events[0].message


def test_the_second_decision_chooses_nothing() -> None:
    world = new()
    assert chosen(after(world, chosen(world))).changed == ()


def test_a_lost_machine_is_replaced_in_the_same_decision_by_one_with_a_new_identity() -> None:
    world = a_world()
    worker = world.of(Role.WORKER)[0]
    gone = replace(world.observed.things[worker.resource], life=Life.GONE, console="Kernel panic")
    choice = chosen(world.with_things(gone))
    lost, replacement = choice.changed
    assert (lost.id, lost.written_off_at) == (worker.id, AT)
    assert replacement.request == worker.request
    assert replacement.id not in {m.id for m in world.machines}
    assert replacement.token != worker.token
    assert len(wanted(choice)) == 4
    told = choice.events[0]
    assert (told.reason, told.severity) == ("MachineLost", Severity.ERROR)
    assert "Kernel panic" in told.message


def test_an_identity_is_never_used_twice_even_when_nothing_is_left_of_the_first_one() -> None:
    world = new()
    used = identities(*(MachineId(node.id) for node in world.cluster.spec.nodes))
    assert {m.id for m in wanted(chosen(world, known=used))} & {
        n.id for n in world.cluster.spec.nodes
    } == set()


def test_two_machines_never_share_a_name() -> None:
    """Names carry four characters of the identity: in a large cluster two of them meet."""
    world = new(1, 2)
    nodes = world.cluster.spec.nodes
    twins = tuple(replace(n, id=f"d000{i}{n.id[5:]}") for i, n in enumerate(nodes))  # type: ignore[arg-type]
    same = replace(
        world, cluster=replace(world.cluster, spec=replace(world.cluster.spec, nodes=twins))
    )
    names = [m.name for m in wanted(chosen(same))]
    assert len(set(names)) == len(names) == 3


def test_an_announced_end_gets_its_replacement_at_once_and_stays_until_it_ends() -> None:
    world = a_world()
    worker = replace(world.of(Role.WORKER)[0], interrupted_at=AT)
    choice = chosen(world.with_machines(worker))
    assert [m.request for m in choice.changed] == [worker.request]
    assert choice.machines[worker.id].is_wanted
    assert chosen(after(world, choice)).changed == ()


def offering(zone: str = "a", type_: str = "t3.medium") -> OfferingKey:
    return next(
        o.key
        for o in a_region().offerings
        if (o.key.zone, o.key.instance_type) == (f"{REGION}{zone}", type_)
    )


@pytest.mark.fault("F22", "P")
def test_a_sold_out_machine_that_was_not_made_gets_another_offering_and_token() -> None:
    world = after(new(), chosen(new()))
    choice = chosen(world, offering("a"))
    assert [m.offering.zone for m in choice.changed] == [f"{REGION}b", f"{REGION}b"]
    assert {m.offering.instance_type for m in choice.changed} == {"t3.medium"}
    for machine in choice.changed:
        before = world.observed.machines[machine.id]
        assert machine.attempt == before.attempt + 1 == 2
        assert machine.token != before.token
        assert (machine.id, machine.name, machine.nonce_hash) == (
            before.id,
            before.name,
            before.nonce_hash,
        )


def test_a_zone_that_is_empty_is_left_for_another() -> None:
    world = after(new(), chosen(new()))
    types = ("t3.medium", "t3.large", "m5.xlarge")
    choice = chosen(world, *(offering("a", type_) for type_ in types))
    assert {m.offering.zone for m in choice.changed} == {f"{REGION}b"}


def test_a_machine_that_was_made_keeps_its_offering_in_a_drought() -> None:
    assert chosen(a_world(), offering("a"), offering("a", "t3.large")).changed == ()


def test_when_everything_is_sold_out_the_requests_say_so() -> None:
    everything = [o.key for o in a_region().offerings]
    choice = chosen(new(1, 1), *everything)
    assert choice.changed == ()
    assert choice.unfilled == (
        "control-plane medium: no offering in aws",
        "worker small: no offering in aws",
    )
    waiting = chosen(after(new(1, 1), chosen(new(1, 1))), *everything)
    assert "t3.large is sold out and nothing else fits" in waiting.unfilled[0]


def test_without_a_catalogue_nothing_is_chosen() -> None:
    world = new()
    choice = choose(world.cluster, world.observed, a_market(regions={}), identities(), RULES, AT)
    assert choice.machines == {}
    assert len(choice.unfilled) == 3


def test_a_machine_whose_request_was_taken_out_leaves_its_work_first() -> None:
    world = a_world(1, 3)
    nodes = world.cluster.spec.nodes[:-1]
    fewer = replace(
        world, cluster=replace(world.cluster, spec=replace(world.cluster.spec, nodes=nodes))
    )
    choice = chosen(fewer)
    assert [(m.id, m.leaving_reason) for m in choice.changed] == [
        (MachineId(world.cluster.spec.nodes[-1].id), "no longer wanted")
    ]


def test_a_deletion_fences_every_machine_and_chooses_none() -> None:
    world = replace(a_world(), cluster=deleting(a_world()).cluster)
    choice = chosen(world)
    assert {m.id for m in choice.changed} == {m.id for m in world.machines}
    assert {m.written_off_reason for m in choice.changed} == {"the cluster is being deleted"}
    assert chosen(after(world, choice)).changed == ()


def test_what_the_breaker_holds_back_is_named_and_not_replaced() -> None:
    world = a_world()
    old = {"joined_at": None, "ready_at": None, "launched_at": AT - 16 * MINUTE}
    broken = [replace(m, **old) for m in world.of(Role.WORKER)[:2]]  # type: ignore[arg-type]
    choice = chosen(world.with_machines(*broken))
    assert choice.changed == ()
    (held,) = choice.held_back
    assert held.subject == "breaker/aws/eu-central-1a"
    assert all(m.name in held.reason for m in broken)


@pytest.mark.parametrize("attempt", [1, 2])
def test_the_token_follows_from_identity_attempt_and_offering(attempt: int) -> None:
    world = after(new(), chosen(new()))
    again = chosen(new())
    assert [m.token for m in again.changed] == [m.token for m in world.machines]
    changed = chosen(world, offering("a")).changed
    assert all(m.token != world.observed.machines[m.id].token for m in changed)
    assert a_machine(world.cluster.spec.nodes[0], attempt=attempt).attempt == attempt


def test_other_clouds_have_their_own_catalogue() -> None:
    world = new(1, 0)
    node = replace(world.cluster.spec.nodes[0], cloud=Cloud.GCP)
    spec = replace(world.cluster.spec, nodes=(node,))
    choice = chosen(replace(world, cluster=replace(world.cluster, spec=spec)))
    assert choice.unfilled == ("control-plane medium: no offering in gcp",)
    assert ProviderId("i-1") not in {m.provider_id for m in choice.machines.values()}
