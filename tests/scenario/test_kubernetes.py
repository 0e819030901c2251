"""The simulated cluster keeps Kubernetes' own rules: quorum, 40 seconds, budgets, collection."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from holdfast.kube.sim.cluster import DNS, EVICTED_AFTER, UNKNOWN_AFTER, SimCluster
from holdfast.kube.sim.objects import Budget, Deployment, Member, Requests, SimNode, SimPod
from holdfast.kube.sim.scheduler import place
from holdfast.model.ids import MachineId
from holdfast.model.resource import Role
from holdfast.simulation import time
from holdfast.simulation.time import SeededChance, VirtualClock

WEB = Deployment("default", "web", 4, Requests(500, 256))


class Stage:
    """A cluster of one control plane and its machines' lives."""

    def __init__(self, control_planes: int = 1, workers: int = 2) -> None:
        self.clock = VirtualClock()
        self.dead: set[str] = set()
        self.cluster = SimCluster(self.clock, SeededChance(1), lambda m: m not in self.dead)
        for number in range(control_planes):
            machine = MachineId(f"cp{number}")
            self.cluster.add_member(Member(machine, machine, f"10.0.0.{number}"))
            self.join(machine, Role.CONTROL_PLANE, "abc"[number % 3])
        for number in range(workers):
            self.join(MachineId(f"w{number}"), Role.WORKER, "abc"[number % 3])

    def join(self, machine: MachineId, role: Role = Role.WORKER, zone: str = "a") -> None:
        now = self.clock.monotonic()
        room = Requests(1800, 3500)
        self.cluster.join(
            SimNode(machine, machine, machine, role, "10.0.0.9", "aws:///i", zone, room, now, now)
        )

    def kill(self, machine: str) -> None:
        self.dead.add(machine)
        self.cluster.silence(MachineId(machine), is_silent=True)

    def running(self, deployment: Deployment = WEB) -> list[str]:
        self.cluster.settle()
        now = self.clock.monotonic()
        return sorted(
            pod.node or ""
            for pod in self.cluster.pods.values()
            if pod.owner.key == deployment.key and pod.is_running(now) and not pod.is_leaving
        )


Story = Callable[[Stage], Coroutine[Any, Any, None]]


def story(control_planes: int = 1, workers: int = 2) -> Callable[[Story], Callable[[], None]]:
    def decorate(told: Story) -> Callable[[], None]:
        def test() -> None:
            async def whole() -> None:
                stage = Stage(control_planes, workers)
                await told(stage)
                stage.cluster.stop()

            time.run(whole())

        test.__name__, test.__doc__ = told.__name__, told.__doc__
        return test

    return decorate


@story()
async def test_a_dead_machines_node_turns_unknown_after_forty_seconds(stage: Stage) -> None:
    node = stage.cluster.nodes["w0"]
    stage.kill("w0")
    await stage.clock.sleep(UNKNOWN_AFTER - 1)
    stage.cluster.settle()
    assert node.ready is True
    await stage.clock.sleep(2)
    assert node.ready is None  # by its own timer: nobody looked
    assert node.since == pytest.approx(UNKNOWN_AFTER)


@story()
async def test_pods_of_an_unknown_node_move_after_five_minutes(stage: Stage) -> None:
    stage.cluster.deploy(WEB)
    await stage.clock.sleep(5)
    assert stage.running() == ["w0", "w0", "w1", "w1"]
    stage.kill("w0")
    await stage.clock.sleep(UNKNOWN_AFTER + 10)
    assert stage.cluster.displaced >= 2
    await stage.clock.sleep(EVICTED_AFTER + 10)
    assert stage.running().count("w1") == 3  # three of 500m fit into 1800m
    stage.join(MachineId("w2"))
    await stage.clock.sleep(10)
    assert stage.running() == ["w1", "w1", "w1", "w2"]


@story()
async def test_pods_are_collected_with_their_node(stage: Stage) -> None:
    stage.cluster.deploy(WEB)
    await stage.clock.sleep(5)
    stage.kill("w0")
    stage.cluster.delete_node("w0")
    assert all(pod.node != "w0" for pod in stage.cluster.pods.values())
    await stage.clock.sleep(5)
    assert stage.running() == ["w1", "w1", "w1"]


@story()
async def test_a_budget_holds_an_eviction_back(stage: Stage) -> None:
    stage.cluster.deploy(WEB, Budget("default", "web", 3))
    await stage.clock.sleep(5)
    names = [pod.name for pod in stage.cluster.pods.values() if pod.owner is WEB]
    assert stage.cluster.evict("default", names[0])
    assert not stage.cluster.evict("default", names[1])
    await stage.clock.sleep(8)  # the replacement runs
    assert stage.cluster.evict("default", names[1])


@story(control_planes=3)
async def test_an_api_server_without_quorum_does_not_answer(stage: Stage) -> None:
    stage.kill("cp0")
    assert stage.cluster.is_up_on(MachineId("cp1"))
    stage.kill("cp1")
    assert not stage.cluster.is_up_on(MachineId("cp2"))
    with pytest.raises(RuntimeError, match="no quorum"):
        stage.cluster.remove_member("cp0", "10.0.0.0")
    stage.dead.discard("cp1")
    assert stage.cluster.remove_member("cp0", "10.0.0.0") == "etcd member cp0 removed"
    assert stage.cluster.has_quorum


@story(control_planes=3)
async def test_nothing_is_written_while_etcd_is_down(stage: Stage) -> None:
    stage.kill("cp0")
    stage.kill("cp1")
    stage.kill("w0")
    await stage.clock.sleep(UNKNOWN_AFTER + 60)
    stage.cluster.settle()
    assert stage.cluster.nodes["w0"].ready is True
    stage.dead.discard("cp1")
    stage.cluster.silence(MachineId("cp1"), is_silent=False)
    assert stage.cluster.nodes["w0"].ready is None


@story(control_planes=1, workers=1)
async def test_a_learner_has_no_vote(stage: Stage) -> None:
    stage.cluster.add_member(Member(MachineId("cp1"), "cp1", "10.0.0.1", is_learner=True))
    stage.dead.add("cp1")
    assert stage.cluster.has_quorum


@story()
async def test_the_system_is_ready_when_every_node_is(stage: Stage) -> None:
    await stage.clock.sleep(5)
    assert len(stage.running(DNS)) == 2
    assert stage.cluster.system_ready
    stage.kill("w0")
    await stage.clock.sleep(UNKNOWN_AFTER + 1)
    assert not stage.cluster.system_ready
    stage.cluster.delete_node("w0")
    await stage.clock.sleep(5)
    assert stage.cluster.system_ready


def _node(name: str, zone: str = "a", **changes: Any) -> SimNode:
    node = SimNode(
        name, name, MachineId(name), Role.WORKER, "", "", zone, Requests(1000, 1000), 0, 0
    )
    node.ready = True
    for key, value in changes.items():
        setattr(node, key, value)
    return node


def _placed(deployment: Deployment, nodes: list[SimNode], count: int) -> list[str | None]:
    pods: list[SimPod] = []
    for number in range(count):
        pod = SimPod(deployment.namespace, f"p{number}", deployment)
        pod.node = place(pod, nodes, pods)
        pods.append(pod)
    return [pod.node for pod in pods]


def test_placing_spreads_over_zones_then_nodes() -> None:
    nodes = [_node("n1", "a"), _node("n2", "a"), _node("n3", "b")]
    assert _placed(Deployment("d", "x", 4), nodes, 4) == ["n1", "n3", "n2", "n3"]


def test_placing_keeps_to_requests_selectors_taints_and_cordons() -> None:
    big = Deployment("d", "big", 1, Requests(600, 10))
    assert _placed(big, [_node("n1"), _node("n2")], 3) == ["n1", "n2", None]
    chosen = Deployment("d", "x", 1, selector=(("disk", "ssd"),))
    assert _placed(chosen, [_node("n1"), _node("n2", labels={"disk": "ssd"})], 1) == ["n2"]
    assert _placed(Deployment("d", "x", 1), [_node("n1", role=Role.CONTROL_PLANE)], 1) == [None]
    assert _placed(DNS, [_node("n1", role=Role.CONTROL_PLANE)], 1) == ["n1"]
    assert _placed(Deployment("d", "x", 1), [_node("n1", is_cordoned=True)], 1) == [None]
    assert _placed(Deployment("d", "x", 1), [_node("n1", ready=None)], 1) == [None]
