"""The simulated clusters and the network in front of them: a machine joins, a machine dies.

URL -> address -> bound machine -> its cluster, if that machine is a living control plane
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from holdfast.clock import Clock
from holdfast.kube.port import Kube, KubeAccess, KubeUnreachable
from holdfast.kube.sim.client import SimKube
from holdfast.kube.sim.cluster import SimCluster
from holdfast.kube.sim.objects import Member, Requests, SimNode
from holdfast.model import names
from holdfast.model.ids import ClusterId, MachineId
from holdfast.model.offering import OfferingKey
from holdfast.model.resource import Role
from holdfast.providers.sim.effects import Effect
from holdfast.simulation.effects import Hub, through
from holdfast.simulation.machines import Guest, Machines
from holdfast.simulation.time import SeededChance

KEPT_FREE = (200, 512)  # thousandths of a CPU, MiB: what the node keeps for itself
NETWORK = (2.0, 5.0)  # seconds from the kubelet's start to its Ready


@dataclass(slots=True)
class Kubernetes:
    """All clusters' own APIs."""

    clock: Clock
    chance: SeededChance
    machines: Machines
    hub: Hub
    sizes: Callable[[OfferingKey], tuple[int, int]]  # vCPUs, MiB
    clusters: dict[ClusterId, SimCluster] = field(default_factory=dict)

    def client(self, access: KubeAccess) -> Kube:
        """What `reconciler.world.Kubes` makes its clients with."""
        return SimKube(access, _Door(self), self.clock)

    def cluster(self, cluster: ClusterId) -> SimCluster:
        """The truth of one; made when its first machine asks."""
        if cluster not in self.clusters:
            chance = self.chance.fork(cluster)
            self.clusters[cluster] = SimCluster(self.clock, chance, self.machines.lives)
        return self.clusters[cluster]

    def heard(self, guest: Guest, what: str) -> None:
        """A machine's state changed: its kubelet goes with it."""
        found = self.clusters.get(guest.cluster)
        if found is not None and what != "notice":
            found.silence(guest.machine, is_silent=not guest.lives)

    def initialise(self, guest: Guest, ca_pem: str, version: str) -> None:
        """kubeadm init is done on this machine: an API server that only its CA can call."""
        cluster = self.cluster(guest.cluster)
        cluster.ca_pem = ca_pem
        cluster.version = f"v{version.removeprefix('v')}"
        self.register(guest, Role.CONTROL_PLANE)

    def learn(self, guest: Guest) -> None:
        """A joining control plane is taken into etcd, without a vote yet."""
        self.cluster(guest.cluster).add_member(self._member(guest, is_learner=True))

    def register(self, guest: Guest, role: Role) -> None:
        """kubeadm is done: a member of etcd on a control plane, and a Node object."""
        cluster = self.cluster(guest.cluster)
        resource, now = guest.resource, self.clock.monotonic()
        if role is Role.CONTROL_PLANE:
            cluster.add_member(self._member(guest, is_learner=False))
        cpus, memory = self.sizes(resource.offering)
        cluster.join(
            SimNode(
                name=resource.hostname,
                uid=self.chance.uuid(),
                machine=guest.machine,
                role=role,
                internal_ip=guest.private_ip,
                provider_id=f"{resource.offering.cloud.value}:///{guest.thing}",
                zone=resource.offering.zone,
                room=Requests(cpus * 1000 - KEPT_FREE[0], memory - KEPT_FREE[1]),
                ready_at=now + self.chance.between(*NETWORK),
                since=now,
                labels={names.LABEL_MACHINE: guest.machine, "role": role.value},
            )
        )

    def may_join(self, cluster: ClusterId) -> bool:
        """Whether a joining machine finds an API server."""
        found = self.clusters.get(cluster)
        return found is not None and found.is_up

    def _member(self, guest: Guest, *, is_learner: bool) -> Member:
        return Member(guest.machine, guest.resource.hostname, guest.private_ip, is_learner)

    def member_of(self, cluster: ClusterId, machine: MachineId) -> bool:
        """Whether etcd counts on the machine."""
        found = self.clusters.get(cluster)
        return found is not None and machine in found.members


@dataclass(frozen=True, slots=True)
class _Door:
    """The network between the platform and the clusters' APIs."""

    kubernetes: Kubernetes

    def server(self, access: KubeAccess) -> SimCluster | str | None:
        """Who answers at a URL to the holder of that CA."""
        guest = self.kubernetes.machines.behind(urlsplit(access.url).hostname or "")
        if guest is None or not guest.lives:
            return None
        cluster = self.kubernetes.clusters.get(guest.cluster)
        if cluster is None or guest.machine not in cluster.members:
            return "connection refused"
        if cluster.ca_pem != access.ca_pem:
            return "certificate signed by unknown authority"
        if not cluster.has_quorum:
            return "etcdserver: no leader"
        return cluster

    def write(self, verb: str, subject: str, act: Callable[[], None]) -> None:
        """A write as an effect."""
        effect = Effect("kube", verb, subject, ClusterId(""))
        through(self.kubernetes.hub, effect, act, KubeUnreachable)
