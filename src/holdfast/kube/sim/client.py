"""The kube port over a simulated cluster: latency, deadlines, an API server that may be away."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Protocol

from holdfast.clock import Clock
from holdfast.kube.port import KubeAccess, KubeUnreachable
from holdfast.kube.sim.cluster import SimCluster
from holdfast.kube.sim.objects import SimNode
from holdfast.model.observed import KubeSeen
from holdfast.model.resource import Role
from holdfast.model.workload import Node, Pod

LATENCY = 0.01  # seconds of a usual answer
CONNECT = 2.0  # seconds after which a connection that nobody accepts is given up
DEADLINE = 4.0  # seconds of a whole call
WATCH = 300.0  # seconds after which a watch ends by itself
STATIC = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
DAEMONS = (("kube-flannel", "kube-flannel"), ("kube-system", "kube-proxy"))


class Door(Protocol):
    """Finds the API server behind a URL, and lets writes be effects."""

    def server(self, access: KubeAccess) -> SimCluster | str | None:
        """The cluster that answers there; a text when it is refused; None when nothing answers."""
        ...

    def write(self, verb: str, subject: str, act: Callable[[], None]) -> None:
        """Do a write as an effect. Raises KubeUnreachable when it is lost."""
        ...


class SimKube:
    """One client of one cluster's API."""

    def __init__(self, access: KubeAccess, door: Door, clock: Clock) -> None:
        self._access = access
        self._door = door
        self._clock = clock

    async def look(self) -> KubeSeen:
        """Nodes, and whether CoreDNS and the pod network are ready."""
        cluster = await self._reached("GET /api/v1/nodes")
        cluster.settle()
        return KubeSeen(
            nodes={node.name: self._shown(node) for node in cluster.nodes.values()},
            system_ready=cluster.system_ready,
            version=cluster.version,
        )

    async def delete_node(self, name: str) -> None:
        """Remove a Node object."""
        cluster = await self._reached(f"DELETE node {name}")
        if name in cluster.nodes:
            self._door.write("delete", f"node/{name}", lambda: cluster.delete_node(name))

    async def cordon(self, name: str) -> None:
        """Make a node unschedulable."""
        cluster = await self._reached(f"PATCH node {name}")
        node = cluster.nodes.get(name)
        if node is None or node.is_cordoned:
            return

        def act() -> None:
            node.is_cordoned = True

        self._door.write("cordon", f"node/{name}", act)

    async def pods_on(self, node: str) -> tuple[Pod, ...]:
        """All pods bound to a node."""
        cluster = await self._reached("GET /api/v1/pods")
        cluster.settle()
        now = self._clock.monotonic()
        bound = [
            Pod(
                namespace=pod.namespace,
                name=pod.name,
                node=pod.node,
                phase="Running" if pod.is_running(now) else "Pending",
                is_daemon=False,
                is_mirror=False,
                is_leaving=pod.is_leaving,
            )
            for pod in cluster.pods.values()
            if pod.node == node
        ]
        return (*bound, *_own_pods(cluster.nodes.get(node)))

    async def evict(self, pod: Pod) -> bool:
        """Ask for an eviction. False: a PodDisruptionBudget forbids it now."""
        cluster = await self._reached(f"POST eviction {pod.name}")
        allowed: list[bool] = []
        self._door.write(
            "evict",
            f"pod/{pod.namespace}/{pod.name}",
            lambda: allowed.append(cluster.evict(pod.namespace, pod.name)),
        )
        return allowed[0]

    async def changes(self) -> AsyncIterator[str]:
        """Names of nodes as they change, until the connection ends."""
        cluster = await self._reached("WATCH /api/v1/nodes")
        news: asyncio.Queue[str] = asyncio.Queue()
        for name in cluster.nodes:
            news.put_nowait(name)
        cluster.watchers.append(news)
        until = self._clock.monotonic() + WATCH
        try:
            while (left := until - self._clock.monotonic()) > 0:
                try:
                    async with asyncio.timeout(left):
                        name = await news.get()
                except TimeoutError:
                    return
                if self._door.server(self._access) is not cluster:
                    raise KubeUnreachable("watch nodes: connection reset")
                yield name
        finally:
            cluster.watchers.remove(news)

    async def close(self) -> None:
        """Nothing is held open."""

    async def _reached(self, what: str) -> SimCluster:
        found = self._door.server(self._access)
        if found is None:
            await self._clock.sleep(CONNECT)
            raise KubeUnreachable(f"{what}: connect timed out")
        if isinstance(found, str):
            raise KubeUnreachable(f"{what}: {found}")
        if found.is_away or found.slowness >= DEADLINE:
            await self._clock.sleep(DEADLINE)
            raise KubeUnreachable(f"{what}: read timed out")
        await self._clock.sleep(LATENCY + found.slowness)
        if self._door.server(self._access) is not found:
            raise KubeUnreachable(f"{what}: connection reset")
        return found

    def _shown(self, node: SimNode) -> Node:
        since = self._clock.now().timestamp() - (self._clock.monotonic() - node.since)
        return Node(
            name=node.name,
            uid=node.uid,
            ready=node.ready,
            # Kubernetes writes whole seconds.
            ready_since=datetime.fromtimestamp(int(since), UTC),
            unschedulable=node.is_cordoned,
            provider_id=node.provider_id,
            internal_ip=node.internal_ip,
            labels=tuple(sorted(node.labels.items())),
        )


def _own_pods(node: SimNode | None) -> list[Pod]:
    """What every node runs: pods of DaemonSets, and of the node itself on a control plane."""
    if node is None:
        return []
    phase = "Running" if node.ready else "Pending"
    found = [
        Pod(space, f"{name}-{node.name}", node.name, phase, is_daemon=True, is_mirror=False)
        for space, name in DAEMONS
    ]
    if node.role is Role.CONTROL_PLANE:
        found += [
            Pod("kube-system", f"{name}-{node.name}", node.name, phase, False, True)  # noqa: FBT003
            for name in STATIC
        ]
    return found
