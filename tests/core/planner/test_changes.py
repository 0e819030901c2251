"""Whatever people change, in any order: who was served stays served, and etcd keeps its quorum.

`Tiny` asserts at each action that no etcd member goes that the quorum needs.
"""

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.core.planner.build import a_cluster, a_request
from tests.core.planner.tiny import Tiny

from holdfast.model.ids import MachineId
from holdfast.model.resource import Role
from holdfast.planner.control_plane import has_quorum

LIMIT = 600  # passes until everything must be at rest
MOST_CONTROL_PLANES = 5

# (pass, change, which one): the third number chooses among what is there then.
Change = tuple[int, str, int]


def add(world: Tiny, which: int) -> None:
    """One more; a control plane only while there are few."""
    nodes = world.cluster.spec.nodes
    few = len(world.cluster.spec.control_planes()) < MOST_CONTROL_PLANES
    role = Role.CONTROL_PLANE if few and which % 2 else Role.WORKER
    _ask(world, (*nodes, a_request(100 + which + 50 * len(nodes), role)))


def take_out(world: Tiny, which: int) -> None:
    """Any one, but never the last control plane, which the API refuses."""
    nodes = world.cluster.spec.nodes
    gone = nodes[which % len(nodes)]
    if gone.role is Role.WORKER or len(world.cluster.spec.control_planes()) > 1:
        _ask(world, tuple(node for node in nodes if node.id != gone.id))


def replace_all(world: Tiny, which: int) -> None:
    for machine in list(world.machines.values()):
        few = len(world.cluster.spec.control_planes()) < 2
        if machine.is_staying and not (few and machine.role is Role.CONTROL_PLANE):
            reason = f"wish {which}"
            world.machines[machine.id] = replace(machine, replace_reason=reason)


CHANGES = {"add": add, "take out": take_out, "replace all": replace_all}


def _ask(world: Tiny, nodes: tuple[object, ...]) -> None:
    spec = replace(world.cluster.spec, nodes=nodes)  # type: ignore[arg-type]
    world.cluster = replace(world.cluster, spec=spec)


def served(world: Tiny) -> set[str]:
    """Requests of which a machine works."""
    return {m.request for m in world.machines.values() if _works(world, m.id)}


def _works(world: Tiny, machine: MachineId) -> bool:
    known = world.machines[machine]
    vm = world.living(known.resource)
    member = known.role is Role.WORKER or machine in world.members
    return known.is_wanted and known.ready_at is not None and bool(vm) and member


def rest(world: Tiny, after: int = 0) -> None:
    for number in range(LIMIT):
        if world.step().is_settled and number > after:
            return
    raise AssertionError("it never came to rest")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    control_planes=st.sampled_from([1, 2, 3]),
    changes=st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from(sorted(CHANGES)), st.integers(0, 40)),
        min_size=1,
        max_size=4,
    ),
)
def test_who_was_served_stays_served_whatever_is_changed(
    control_planes: int, changes: list[Change]
) -> None:
    world = Tiny(a_cluster(control_planes, 2))
    rest(world)
    due = sorted(changes)
    known: set[str] = served(world)
    for number in range(LIMIT):
        while due and due[0][0] <= number:
            _, name, which = due.pop(0)
            CHANGES[name](world, which)
        asked = {node.id for node in world.cluster.spec.nodes}
        plan = world.step()
        # A lone control plane that shall be replaced waits for a person: that is rest too.
        settled = not plan.actions and all(waits.on_person for waits in plan.waiting)
        now = served(world)
        assert known & asked <= now, "a node that worked was taken away"
        known |= now
        running = [m for m in world.members if world.living(world.machines[m].resource)]
        assert has_quorum(len(running), len(world.members))
        if settled and not due:
            break
    else:
        raise AssertionError("it never came to rest")
    assert asked == served(world)
    assert len(world.members) == len(world.cluster.spec.control_planes())
    told = {waits.subject for waits in plan.waiting}  # all of it waits for a person
    wishes = {m.name for m in world.machines.values() if m.replace_reason and m.is_wanted}
    assert wishes == told
    assert not wishes or len(world.members) == 1
