"""One simulated cluster: etcd's quorum, nodes, pods, and the controllers that keep them.

Nothing happens while the API server is down: a controller cannot write without etcd. Whoever looks
settles the cluster first; a timer settles it when something is due, for those who watch.
"""

import asyncio
from collections.abc import Callable, Iterable

from holdfast.clock import Chance, Clock
from holdfast.kube.sim.objects import (
    CONTROL_PLANE_TAINT,
    Budget,
    Deployment,
    Member,
    Requests,
    SimNode,
    SimPod,
)
from holdfast.kube.sim.scheduler import place
from holdfast.model.ids import MachineId

UNKNOWN_AFTER = 40.0  # seconds without a word of the kubelet (node-monitor-grace-period)
EVICTED_AFTER = 300.0  # seconds that pods stay bound to an Unknown node (default toleration)
STARTS = (1.0, 3.0)  # seconds from a pod's placing to its running
DNS = Deployment(
    "kube-system", "coredns", 2, Requests(100, 70), tolerates=frozenset({CONTROL_PLANE_TAINT})
)


class SimCluster:
    """The truth of one cluster. `lives` tells whether a machine runs and is not frozen."""

    def __init__(self, clock: Clock, chance: Chance, lives: Callable[[MachineId], bool]) -> None:
        self._clock = clock
        self._chance = chance
        self._lives = lives
        self._numbers: dict[str, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.members: dict[MachineId, Member] = {}
        self.nodes: dict[str, SimNode] = {}
        self.pods: dict[str, SimPod] = {}
        self.deployments: dict[str, Deployment] = {DNS.key: DNS}
        self.budgets: list[Budget] = []
        self.watchers: list[asyncio.Queue[str]] = []
        self.ca_pem = ""
        self.version = ""
        self.is_away = False  # the API server hangs, whatever etcd does
        self.slowness = 0.0  # seconds that each answer takes

    # etcd and the API server

    @property
    def voters(self) -> list[MachineId]:
        """Machines whose member has a vote."""
        return [member.machine for member in self.members.values() if not member.is_learner]

    @property
    def living(self) -> int:
        """Voters on machines that live."""
        return sum(self._lives(machine) for machine in self.voters)

    @property
    def has_quorum(self) -> bool:
        """More than half of the voters live."""
        return self.living > len(self.voters) // 2

    def is_up_on(self, machine: MachineId) -> bool:
        """The API server of that control plane answers."""
        member = machine in self.voters and self._lives(machine)
        return member and self.has_quorum and not self.is_away

    @property
    def is_up(self) -> bool:
        """Some API server answers: then the controllers work."""
        return self.has_quorum and not self.is_away

    def add_member(self, member: Member) -> None:
        """A control plane joined etcd."""
        self.members[member.machine] = member

    def remove_member(self, name: str, peer_ip: str) -> str:
        """What the agent does with etcdctl. Raises RuntimeError without quorum."""
        found = [m for m in self.members.values() if peer_ip == m.peer_ip] or [
            m for m in self.members.values() if name == m.name
        ]
        if not found:
            return f"etcd has no member {name}"
        if not self.has_quorum:
            raise RuntimeError("etcd does not answer: no quorum")
        del self.members[found[0].machine]
        return f"etcd member {found[0].name} removed"

    # Nodes

    def join(self, node: SimNode) -> None:
        """A kubelet registered; a node of that name is taken over."""
        self.nodes[node.name] = node
        self.tell(node.name)
        self.settle()

    def silence(self, machine: MachineId, *, is_silent: bool) -> None:
        """The kubelet of a machine stopped, or speaks again."""
        now = self._clock.monotonic()
        for node in self.nodes.values():
            if node.machine == machine:
                node.silent_at = (node.silent_at or now) if is_silent else None
        self.settle()

    def delete_node(self, name: str) -> None:
        """The Node object goes; pods that were bound to it are collected."""
        if self.nodes.pop(name, None) is None:
            return
        for key in [key for key, pod in self.pods.items() if pod.node == name]:
            del self.pods[key]
        self.tell(name)
        self.settle()

    # Pods

    def deploy(self, deployment: Deployment, budget: Budget | None = None) -> None:
        """A user's deployment, with a disruption budget where wanted."""
        self.deployments[deployment.key] = deployment
        if budget is not None:
            self.budgets.append(budget)
        self.settle()

    def evict(self, namespace: str, name: str) -> bool:
        """False: a budget forbids it now. A pod that is gone is fine."""
        self.settle()
        pod = self.pods.get(f"{namespace}/{name}")
        if pod is None or pod.is_leaving:
            return True
        if not self._may_go(pod):
            return False
        self._leave(pod, "evicted")
        self.settle()
        return True

    @property
    def displaced(self) -> int:
        """Pods of users that want to run and do not."""
        now = self._clock.monotonic()
        wanted = sum(d.replicas for d in self.deployments.values())
        return wanted - sum(p.is_running(now) and self._is_served(p) for p in self.pods.values())

    @property
    def system_ready(self) -> bool:
        """CoreDNS has a replica, and the DaemonSets' pods are ready on every node."""
        now = self._clock.monotonic()
        ready = all(node.ready is True for node in self.nodes.values())
        dns = (p for p in self.pods.values() if p.owner.key == DNS.key)
        serves = any(p.is_running(now) and self._is_served(p) for p in dns)
        return bool(self.nodes) and ready and serves

    def _may_go(self, pod: SimPod) -> bool:
        now = self._clock.monotonic()
        for budget in self.budgets:
            if (budget.namespace, budget.deployment) != (pod.namespace, pod.owner.name):
                continue
            healthy = sum(
                p.owner.key == pod.owner.key
                and p.is_running(now)
                and not p.is_leaving
                and self._is_served(p)
                for p in self.pods.values()
            )
            if healthy - pod.is_running(now) < budget.min_available:
                return False
        return True

    def _is_served(self, pod: SimPod) -> bool:
        node = self.nodes.get(pod.node or "")
        return node is not None and node.ready is True

    def _leave(self, pod: SimPod, reason: str) -> None:
        pod.leaves_at = self._clock.monotonic() + pod.owner.grace
        pod.reason = reason

    # Controllers

    def settle(self) -> None:
        """Everything that is due by now, if a controller could write it."""
        if self.is_up:
            now = self._clock.monotonic()
            for node in self.nodes.values():
                self._observe(node, now)
            self._end_pods(now)
            self._replicate()
            self._schedule(now)
        self._set_timer()

    def _observe(self, node: SimNode, now: float) -> None:
        state, since = node.ready, now
        if node.silent_at is not None:
            if now >= node.silent_at + UNKNOWN_AFTER:
                state = None
        elif now >= node.ready_at:
            state = True
        if state is not node.ready:
            node.ready, node.since = state, since
            self.tell(node.name)
        if node.ready is None and now >= node.since + EVICTED_AFTER:
            for pod in self.pods.values():
                if pod.node == node.name and not pod.is_leaving:
                    self._leave(pod, "its node is Unknown")

    def _end_pods(self, now: float) -> None:
        """A kubelet that lives ends what was told to end; a dead one cannot."""
        for key, pod in list(self.pods.items()):
            if pod.leaves_at is None or pod.leaves_at > now:
                continue
            node = self.nodes.get(pod.node or "")
            if node is None or node.silent_at is None:
                del self.pods[key]

    def _replicate(self) -> None:
        have: dict[str, int] = {}
        for pod in self.pods.values():
            have[pod.owner.key] = have.get(pod.owner.key, 0) + (not pod.is_leaving)
        for deployment in self.deployments.values():
            for _ in range(deployment.replicas - have.get(deployment.key, 0)):
                number = self._numbers.get(deployment.key, 0) + 1
                self._numbers[deployment.key] = number
                pod = SimPod(deployment.namespace, f"{deployment.name}-{number}", deployment)
                self.pods[f"{pod.namespace}/{pod.name}"] = pod

    def _schedule(self, now: float) -> None:
        nodes = list(self.nodes.values())
        for pod in self.pods.values():
            if pod.node is None and not pod.is_leaving:
                pod.node = place(pod, nodes, self.pods.values())
                if pod.node is not None:
                    low, high = STARTS
                    pod.runs_at = now + low + (high - low) * self._chance.random()

    def _moments(self) -> Iterable[float]:
        for node in self.nodes.values():
            if node.silent_at is not None:
                yield node.silent_at + UNKNOWN_AFTER
                if node.ready is None:
                    yield node.since + EVICTED_AFTER
            else:
                yield node.ready_at
        for pod in self.pods.values():
            if pod.leaves_at is not None:
                yield pod.leaves_at
            elif pod.runs_at is not None:
                yield pod.runs_at

    def _set_timer(self) -> None:
        now = self._clock.monotonic()
        due = min((moment for moment in self._moments() if moment > now), default=None)
        if self._timer is not None:
            if self._timer.when() == due and not self._timer.cancelled():
                return
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = asyncio.get_running_loop().call_later(due - now, self._ring)

    def _ring(self) -> None:
        self._timer = None
        before = self.system_ready
        self.settle()
        if before != self.system_ready:
            self.tell(next(iter(self.nodes), ""))

    def tell(self, node: str) -> None:
        """Tell those who watch that a node changed."""
        for watcher in self.watchers:
            watcher.put_nowait(node)

    def stop(self) -> None:
        """The last machine of the cluster is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
