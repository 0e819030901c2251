"""Liveness: whatever happened, every world comes to rest, and one at rest plans nothing."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.core.planner.build import a_cluster, a_region
from tests.core.planner.tiny import Tiny

from holdfast.model.ids import ProviderId
from holdfast.model.observed import Foreign, Life
from holdfast.model.resource import FirewallRule, Role, VirtualMachine

LIMIT = 200  # passes until everything must be at rest
FAULTY = 16  # passes in which faults happen

# (pass, fault, which one): the third number chooses among what is there then.
Fault = tuple[int, str, int]


def take_away(world: Tiny, which: int) -> None:
    found = world.removable()
    if found:
        del world.truth[found[which % len(found)].id]


def change(world: Tiny, which: int) -> None:
    found = world.rules()
    if found:
        thing = found[which % len(found)]
        assert isinstance(thing.resource, FirewallRule)
        world.truth[thing.id] = replace(thing, resource=replace(thing.resource, from_port=1))


def change_a_machine(world: Tiny, which: int) -> None:
    """Somebody takes a machine out of its firewall group; a lone control plane would stay so."""
    found = [s for s in world.truth.values() if isinstance(s.resource, VirtualMachine)]
    if found:
        thing = found[which % len(found)]
        assert isinstance(thing.resource, VirtualMachine)
        if thing.resource.role is Role.WORKER or len(world.cluster.spec.control_planes()) > 2:
            world.truth[thing.id] = replace(thing, resource=replace(thing.resource, groups=()))


def double(world: Tiny, which: int) -> None:
    found = world.doubled()
    if found:
        world.add(found[which % len(found)].resource)


def hide(world: Tiny, which: int) -> None:
    kinds = ((), ("VirtualMachine",), ("Subnet", "FirewallRule"), ("Address", "AddressBinding"))
    world.blind = frozenset(kinds[which % len(kinds)])


def show(world: Tiny, which: int) -> None:
    world.blind, world.losing, world.lagging, world.foreign = None, False, False, ()
    world.sold_out.clear()


def lose_answers(world: Tiny, which: int) -> None:
    world.losing = True


def lag(world: Tiny, which: int) -> None:
    world.lagging = True


def sell_out(world: Tiny, which: int) -> None:
    offers = a_region().offerings
    world.sold_out |= {offers[which % len(offers)].key, offers[(which * 7) % len(offers)].key}


def kill_a_worker(world: Tiny, which: int) -> None:
    found = [m for m in world.machines.values() if m.role is Role.WORKER and m.is_wanted]
    if found:
        world.kill(found[which % len(found)].id)


def kill_a_control_plane(world: Tiny, which: int) -> None:
    """Only while the others keep the quorum: else nobody could bring it back."""
    living = [m for m in world.members if world._runs(m)]
    if len(living) == len(world.members) >= 3:
        world.kill(sorted(living)[which % len(living)])


def hold(world: Tiny, which: int) -> None:
    found = [s for s in world.truth.values() if "subnet" in s.resource.name]
    held = frozenset(s.resource.name for s in found)
    world.foreign = (Foreign(ProviderId("i-f00"), "instance", held, "Name=web"),)


FAULTS: dict[str, Callable[[Tiny, int], None]] = {
    "take away": take_away,
    "change": change,
    "change a machine": change_a_machine,
    "double": double,
    "hide": hide,
    "show": show,
    "lose answers": lose_answers,
    "lag": lag,
    "sell out": sell_out,
    "kill a worker": kill_a_worker,
    "kill a control plane": kill_a_control_plane,
    "hold": hold,
}
ANY_FAULTS = st.lists(
    st.tuples(st.integers(0, FAULTY), st.sampled_from(sorted(FAULTS)), st.integers(0, 99)),
    max_size=6,
)
MANY = settings(max_examples=140, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def suffer(world: Tiny, faults: list[Fault], passes: int = FAULTY) -> None:
    for number in range(passes):
        for when, fault, which in faults:
            if when == number:
                FAULTS[fault](world, which)
        world.step()
    show(world, 0)


def comes_to_rest(world: Tiny) -> int:
    """Passes until one planned nothing; a second one then plans nothing either."""
    for number in range(LIMIT):
        if world.step().is_settled and _is_done(world):
            assert world.step().is_settled
            return number
    plan = world.step()
    raise AssertionError(f"never at rest: {plan.actions[:3]} {plan.waiting[:5]}")


def _is_done(world: Tiny) -> bool:
    left = [s for s in world.truth.values() if s.life is not Life.GONE]
    if world.cluster.is_deleting:
        return not left
    return all(m.ready_at for m in world.machines.values() if m.is_wanted)


def is_as_specified(world: Tiny) -> None:
    """Exactly the wanted things are there, one of each, and every node is ready."""
    left = [s for s in world.truth.values() if s.life is not Life.GONE]
    names = [s.resource.name for s in left]
    assert len(names) == len(set(names))
    machines = [s for s in left if isinstance(s.resource, VirtualMachine)]
    assert len(machines) == len(world.cluster.spec.nodes)
    requests = [m.request for m in world.machines.values() if m.is_wanted]
    assert sorted(requests) == sorted(node.id for node in world.cluster.spec.nodes)
    assert len(world.members) == len(world.cluster.spec.control_planes())


def delete(world: Tiny) -> None:
    world.cluster = replace(world.cluster, delete_asked_at=world.now)


def test_a_world_without_faults_is_up_in_a_few_passes_and_asks_for_each_machine_once() -> None:
    for control_planes, workers in ((1, 1), (1, 3), (3, 3)):
        world = Tiny(a_cluster(control_planes, workers))
        assert comes_to_rest(world) < 30
        is_as_specified(world)
        assert world.made == control_planes + workers
        delete(world)
        assert comes_to_rest(world) < 15
        assert world.refusals == 0  # whatever goes, its users went before


@given(st.sampled_from([(1, 1), (1, 2), (3, 1)]), ANY_FAULTS)
@MANY
def test_every_created_world_comes_to_rest(size: tuple[int, int], faults: list[Fault]) -> None:
    world = Tiny(a_cluster(*size))
    suffer(world, faults)
    comes_to_rest(world)
    is_as_specified(world)


@given(st.sampled_from([(1, 2), (3, 1)]), ANY_FAULTS)
@MANY
def test_every_world_that_was_up_is_healed(size: tuple[int, int], faults: list[Fault]) -> None:
    world = Tiny(a_cluster(*size))
    comes_to_rest(world)
    suffer(world, faults)
    comes_to_rest(world)
    is_as_specified(world)


@given(st.integers(0, 12), ANY_FAULTS)
@MANY
def test_every_deletion_ends_with_nothing(begun: int, faults: list[Fault]) -> None:
    world = Tiny(a_cluster(1, 2))
    suffer(world, faults, begun)
    delete(world)
    suffer(world, faults)
    comes_to_rest(world)


@given(ANY_FAULTS)
@MANY
def test_a_deletion_that_a_foreign_thing_holds_waits_for_it_and_then_ends(
    faults: list[Fault],
) -> None:
    world = Tiny(a_cluster(1, 1))
    comes_to_rest(world)
    hold(world, 0)
    held = world.foreign[0].holds
    delete(world)
    for _ in range(30):
        world.step()
    assert all(world.living(name) for name in held)
    assert not [
        s
        for s in world.truth.values()
        if s.resource.name not in held and "machine" in s.resource.name and s.life is not Life.GONE
    ]
    suffer(world, faults)
    comes_to_rest(world)


def test_time_is_not_what_ends_a_wait() -> None:
    world = Tiny(a_cluster(1, 1))
    world.blind = frozenset()
    for _ in range(30):
        world.step()
        world.now += timedelta(hours=1)
    assert not world.truth
