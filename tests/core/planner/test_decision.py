"""Nodes and members beside the things in the cloud."""

from dataclasses import replace

from tests.core.planner.build import AT, RULES, World, a_node, a_world, deleting, vm_of, written_off

from holdfast.model.action import DeleteNode, Drain, RemoveMember
from holdfast.model.observed import Blind, KubeSeen, Life
from holdfast.model.resource import Role
from holdfast.planner.decision import decide


def actions(world: World) -> list[object]:
    found = decide(world.cluster, world.observed.machines, world.observed, RULES, AT)
    return list(found.actions)


def waits(world: World) -> list[str]:
    found = decide(world.cluster, world.observed.machines, world.observed, RULES, AT)
    return [f"{w.subject}: {w.reason}" for w in found.waiting]


def with_ghost(world: World) -> World:
    """The node of a machine that was written off is still there."""
    ghost = written_off(world.cluster.spec.nodes[-1])
    kube = world.observed.kube
    assert kube
    return world.with_machines(ghost).see(
        kube=replace(kube, nodes={**kube.nodes, ghost.name: a_node(ghost.name, ready=None)})
    )


def test_the_node_of_a_lost_machine_goes_when_its_machine_ended() -> None:
    world = with_ghost(a_world())
    ghost = world.machines[-1]
    assert actions(world) == [DeleteNode(ghost.name, "lost")]


def test_it_stays_while_its_machine_may_still_run() -> None:
    world = with_ghost(a_world())
    ghost = world.machines[-1]
    running = vm_of(world, world.of(Role.WORKER)[0], ghost, Life.PRESENT)
    assert DeleteNode(ghost.name, "lost") not in actions(world.with_things(running))
    for life in (Life.LEAVING, Life.GONE):
        ended = world.with_things(replace(running, life=life))
        assert DeleteNode(ghost.name, "lost") in actions(ended)


def test_a_node_that_is_not_ours_is_left_alone() -> None:
    world = a_world()
    kube = world.observed.kube
    assert kube
    stranger = replace(kube, nodes={**kube.nodes, "virtual-kubelet": a_node("virtual-kubelet")})
    assert actions(world.see(kube=stranger)) == []


def test_an_announced_end_is_drained() -> None:
    world = a_world()
    worker = replace(world.of(Role.WORKER)[0], interrupted_at=AT)
    drain = Drain(worker.id, worker.name, "the cloud announced its end")
    assert actions(world.with_machines(worker)) == [drain]
    assert actions(world.with_machines(worker).see(kube=None)) == []


def test_a_lost_member_is_ordered_out() -> None:
    world = a_world(3)
    lost = written_off(world.cluster.spec.nodes[0])
    found = [a for a in actions(world.with_machines(lost)) if isinstance(a, RemoveMember)]
    assert [a.lost for a in found] == [lost.id]


def test_a_deletion_asks_nothing_of_kubernetes() -> None:
    world = with_ghost(a_world())
    ended = deleting(world).see(kube=world.observed.kube)
    assert not [a for a in actions(ended) if isinstance(a, DeleteNode | RemoveMember | Drain)]


def test_machines_that_are_on_their_way_say_where() -> None:
    world = a_world()
    worker = world.of(Role.WORKER)[0]
    facts = ["registered_at", "joining_at", "joined_at", "ready_at"]
    texts = ["booting; its agent", "waits until it may join", "joining", "joined; its node"]
    for number, text in enumerate(texts):
        young = replace(worker, **dict.fromkeys(facts[number:]))  # type: ignore[arg-type]
        assert text in waits(world.with_machines(young))[0]


def test_blind_parts_and_an_unfinished_system_are_waited_for() -> None:
    world = a_world()
    blind = world.see(
        blind=(Blind(frozenset({"Subnet", "Network"}), "503"), Blind(frozenset(), "x"))
    )
    assert waits(blind) == ["Network, Subnet: not visible: 503", "everything: not visible: x"]
    kube = world.observed.kube
    assert isinstance(kube, KubeSeen)
    young = world.see(kube=replace(kube, system_ready=False))
    assert waits(young) == ["cluster: CoreDNS or the pod network is not ready yet"]
