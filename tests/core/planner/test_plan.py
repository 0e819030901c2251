"""What is made, what goes, what waits and why."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.core.planner.build import (
    AT,
    MINUTE,
    RULES,
    SECOND,
    World,
    a_cluster,
    a_machine,
    a_world,
    deleting,
    seen,
)

from holdfast.model.action import Action, Create, Delete, Plan
from holdfast.model.ids import ProviderId, ResourceName
from holdfast.model.observed import Blind, Foreign, Life, Observed, Unsure
from holdfast.model.resource import (
    Address,
    AddressBinding,
    FirewallRule,
    Network,
    Role,
    Route,
    VirtualMachine,
    needs,
)
from holdfast.planner.decision import decide
from holdfast.planner.order import comes_after

NETWORK, SUBNET = ResourceName("aws/network"), ResourceName("aws/subnet/eu-central-1a")
API_RULE = ResourceName("aws/rule/control-plane/api")
ROUTE = ResourceName("aws/route/internet")
ADDRESS = ResourceName("aws/address/endpoint")
BINDING = ResourceName("aws/address-binding/endpoint")
WINDOW = timedelta(minutes=5)


def decided(world: World, now: Any = AT) -> Plan:
    return decide(world.cluster, world.observed.machines, world.observed, RULES, now)


def names_of(actions: tuple[Action, ...], kind: type[Create] | type[Delete]) -> set[str]:
    found = [action for action in actions if isinstance(action, kind)]
    return {a.resource.name if isinstance(a, Create) else a.seen.resource.name for a in found}


def waits(plan: Plan) -> dict[str, str]:
    return {w.subject: w.reason for w in plan.waiting}


def a_new_world(workers: int = 1) -> World:
    cluster = a_cluster(1, workers)
    machines = {m.id: m for m in map(a_machine, cluster.spec.nodes)}
    return World(cluster, Observed(machines=machines))


def test_a_world_as_wanted_plans_nothing() -> None:
    for control_planes in (1, 3):
        assert decided(a_world(control_planes)).is_settled


def test_creation_is_wave_after_wave_and_never_before_its_needs() -> None:
    world, waves = a_new_world(), []
    while creates := names_of((plan := decided(world)).actions, Create):
        for action in plan.actions:
            assert isinstance(action, Create)
            assert comes_after(action.resource) <= world.observed.things.keys()
        waves.append(creates)
        world = world.with_things(
            *(seen(a.resource) for a in plan.actions if hasattr(a, "resource"))
        )
    assert NETWORK in waves[0]
    assert ADDRESS in waves[0]
    assert SUBNET in waves[1]
    machine_wave = next(n for n, wave in enumerate(waves) if any("/machine/" in w for w in wave))
    assert machine_wave >= 2
    assert BINDING in waves[-1]
    assert names_of(decided(world).actions, Create) == set()


def test_a_machine_waits_for_its_way_out_but_does_not_leave_with_it() -> None:
    world = a_new_world()
    whole = a_world(1, 1)
    present = [
        s for s in whole.observed.things.values() if not isinstance(s.resource, VirtualMachine)
    ]
    ready = world.with_things(*present).without(ROUTE, BINDING)
    plan = decided(ready)
    assert names_of(plan.actions, Create) == {ROUTE}
    machine = world.machines[0].resource
    assert waits(plan)[machine] == f"needs {ROUTE}"
    changed = whole.wanted[ROUTE]
    assert isinstance(changed, Route)
    replaced = whole.with_things(seen(replace(changed, gateway=ResourceName("aws/other"))))
    assert names_of(decided(replaced).actions, Delete) == {ROUTE}


CHANGED_RULE = seen(
    FirewallRule(
        API_RULE,
        ResourceName("aws/firewall/control-plane"),
        a_world().wanted[API_RULE].direction,  # type: ignore[union-attr]
        "tcp",
        22,
        22,
        a_world().wanted[API_RULE].peer,  # type: ignore[union-attr]
    )
)


def test_a_rule_that_someone_changed_is_replaced_and_says_how_it_differs() -> None:
    plan = decided(a_world().with_things(CHANGED_RULE))
    assert [type(a) for a in plan.actions] == [Delete]
    action = plan.actions[0]
    assert isinstance(action, Delete)
    assert (
        action.reason == "differs: from_port: wanted 6443, found 22; to_port: wanted 6443, found 22"
    )
    after = decided(a_world().without(API_RULE))
    assert names_of(after.actions, Create) == {API_RULE}


def test_a_rule_that_someone_took_away_is_made_again() -> None:
    plan = decided(a_world().without(API_RULE))
    assert plan.actions == (Create(a_world().wanted[API_RULE], "missing"),)


def test_deletion_takes_machines_first_and_the_network_last() -> None:
    world, waves = deleting(a_world()), []
    for _ in range(12):
        gone = names_of(decided(world).actions, Delete)
        if not gone:
            break
        waves.append(gone)
        world = world.without(*gone)
    assert not world.observed.things
    where = {name: n for n, wave in enumerate(waves) for name in wave}
    machines = {m.resource for m in world.machines}
    assert machines <= waves[0] | waves[1]
    assert where[NETWORK] == len(waves) - 1
    for thing in a_world().observed.things.values():
        for need in needs(thing.resource):
            assert where[thing.resource.name] < where[need], thing.resource.name


def test_a_deletion_creates_nothing() -> None:
    world = deleting(a_world()).without(NETWORK)
    assert names_of(decided(world).actions, Create) == set()


def test_a_thing_that_is_going_is_waited_for() -> None:
    world = deleting(a_world())
    vm = world.machines[1]
    leaving = world.with_things(replace(world.observed.things[vm.resource], life=Life.LEAVING))
    plan = decided(leaving)
    assert vm.resource not in names_of(plan.actions, Delete)
    assert waits(plan)[vm.resource] == f"virtual machine {vm.provider_id} is going"
    assert waits(plan)[SUBNET].startswith("used by")


def test_what_a_foreign_thing_holds_stays_and_the_wait_names_it() -> None:
    world = deleting(a_world())
    only_network = world.see(
        things={n: s for n, s in world.observed.things.items() if n in {NETWORK, SUBNET}},
        foreign=(Foreign(ProviderId("i-f00"), "instance", frozenset({SUBNET}), "Name=web"),),
    )
    plan = decided(only_network)
    assert plan.actions == ()
    held = next(w for w in plan.waiting if w.subject == SUBNET)
    assert held.on_person
    assert held.reason == (
        f"subnet id-{SUBNET} is held by instance i-f00, which is not ours (Name=web)"
    )
    assert names_of(decided(only_network.see(foreign=())).actions, Delete) == {SUBNET}


def test_a_second_copy_goes_unless_it_is_going_already() -> None:
    copy = seen(a_world().wanted[NETWORK], id="vpc-2")
    assert decided(a_world().see(surplus=(copy,))).actions == (
        Delete(copy, "a second copy of the same thing"),
    )
    for life in (Life.LEAVING, Life.GONE):
        assert decided(a_world().see(surplus=(replace(copy, life=life),))).actions == ()


BLINDS = [
    Blind(frozenset(), "outage", "Unavailable"),
    Blind(frozenset({"VirtualMachine"}), "outage", "Unavailable"),
    Blind(frozenset({"FirewallRule", "Network"}), "outage", "Unavailable"),
]


@pytest.mark.fault("F60", "P")
@pytest.mark.parametrize("blind", BLINDS, ids=["all", "machines", "two kinds"])
def test_blindness_makes_nothing_of_its_kind_and_takes_no_network_part(blind: Blind) -> None:
    def is_hidden(name: ResourceName) -> bool:
        return not blind.kinds or type(a_world().wanted[name]).__name__ in blind.kinds

    things = {n: s for n, s in a_world().observed.things.items() if not is_hidden(n)}
    for world in (a_world(), deleting(a_world())):
        plan = decided(
            world.see(
                things=things,
                blind=(blind,),
                surplus=(
                    seen(Network(NETWORK, a_world().cluster.spec.clouds[0].vpc_cidr), id="vpc-2"),
                ),
            )
        )
        assert not [n for n in names_of(plan.actions, Create) if is_hidden(ResourceName(n))]
        assert all("/machine/" in n for n in names_of(plan.actions, Delete))
    assert not names_of(decided(a_world().see(things=things, blind=(blind,))).actions, Delete)


UNSURE: list[tuple[str, ResourceName, Unsure, timedelta, bool, str]] = [
    # what, name, unsure, age, is made again, words of the wait
    ("a network asked for now", NETWORK, Unsure(AT, 3, 1), SECOND, False, "may be there already"),
    ("a network asked for long ago", NETWORK, Unsure(AT, 3, 1), WINDOW, True, ""),
    ("a network that was seen before", NETWORK, Unsure(AT, 1, 0), WINDOW, False, "may be there"),
    ("the same, missing often enough", NETWORK, Unsure(AT, 3, 0), WINDOW, True, ""),
    ("a rule asked for now", API_RULE, Unsure(AT, 3, 1), SECOND, False, "asked for; waiting"),
    ("a rule asked for a moment ago", API_RULE, Unsure(AT, 3, 1), 10 * SECOND, True, ""),
    ("a rule asked for twice", API_RULE, Unsure(AT, 3, 2), 30 * SECOND, False, "asked for"),
    ("a rule seen before and now missing", API_RULE, Unsure(AT, 1, 0), SECOND, True, ""),
    ("a rule that flickers", API_RULE, Unsure(AT, 1, 0, True), SECOND, False, "shown a moment ago"),
    ("a young rule that is gone", API_RULE, Unsure(AT, 1, 0, True), 10 * SECOND, True, ""),
    ("a rule asked for thrice", API_RULE, Unsure(AT, 3, 3), MINUTE, False, "asked for 3 times"),
    ("the same, after the alarm", API_RULE, Unsure(AT, 3, 3), 10 * WINDOW, True, ""),
    ("asked once more", API_RULE, Unsure(AT, 3, 4), 11 * WINDOW, False, "asked for 4 times"),
]


@pytest.mark.parametrize("case", UNSURE, ids=[c[0] for c in UNSURE])
def test_what_may_be_there_is_not_asked_for_again_too_soon(
    case: tuple[str, ResourceName, Unsure, timedelta, bool, str],
) -> None:
    _, name, unsure, age, is_made, words = case
    needing = {n for n, r in a_world().wanted.items() if name in needs(r)}
    world = a_world().without(name, *(needing if name != NETWORK else a_world().wanted))
    plan = decided(world.see(unsure={name: unsure}), AT + age)
    assert (name in names_of(plan.actions, Create)) is is_made
    if not is_made:
        assert words in waits(plan)[name]


@pytest.mark.fault("F03", "P")
def test_a_person_is_told_only_when_the_window_is_over_too() -> None:
    world = a_world().without(API_RULE).see(unsure={API_RULE: Unsure(AT, 3, 3)})
    for age, on_person in ((MINUTE, False), (WINDOW, True)):
        wait = next(w for w in decided(world, AT + age).waiting if w.subject == API_RULE)
        assert wait.on_person is on_person


@pytest.mark.fault("F04", "P")
def test_a_machine_with_a_recorded_id_is_never_made_again() -> None:
    world = a_world()
    machine = world.machines[-1]
    plan = decided(world.without(machine.resource), AT + 100 * WINDOW)
    assert names_of(plan.actions, Create) == set()
    assert waits(plan)[machine.resource] == f"{machine.provider_id} is not visible at the cloud now"


def test_the_address_leads_to_another_control_plane_when_its_holder_is_lost() -> None:
    world = a_world(3)
    first, second = world.of(Role.CONTROL_PLANE)[:2]
    lost = world.with_machines(replace(first, written_off_at=AT)).without(first.resource)
    plan = decided(lost)
    assert BINDING in names_of(plan.actions, Delete)
    bound = decided(lost.without(BINDING)).actions
    assert Create(AddressBinding(BINDING, ADDRESS, second.resource), "missing") in bound


def test_a_failed_thing_is_replaced() -> None:
    broken = seen(Address(ADDRESS), Life.FAILED, evidence="half made")
    plan = decided(a_world().with_things(broken))
    assert names_of(plan.actions, Delete) == {BINDING}  # first what leans on it
    without = a_world().with_things(broken).without(BINDING)
    assert names_of(decided(without).actions, Delete) == {ADDRESS}


def test_a_second_call_for_a_thing_that_doubles_waits_for_the_window_again() -> None:
    """The wait begins at the last call: found by a property, with a late and a lost network."""
    for calls in (1, 2):
        unsure = {NETWORK: Unsure(AT, RULES.gone_readings, calls)}
        nothing = a_world().see(things={}, unsure=unsure)
        for age, is_made in ((WINDOW - SECOND, False), (WINDOW, True)):
            assert (NETWORK in names_of(decided(nothing, AT + age).actions, Create)) is is_made
