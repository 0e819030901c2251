"""What a simulated cluster holds: members of etcd, nodes, pods, and what wants pods."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast.model.ids import MachineId
from holdfast.model.resource import Role

CONTROL_PLANE_TAINT = "node-role.kubernetes.io/control-plane"


@dataclass(frozen=True, slots=True)
class Requests:
    """What a pod asks of a node: thousandths of a CPU, MiB."""

    milli_cpus: int = 100
    memory_mib: int = 64


@dataclass(slots=True)
class Member:
    """A member of etcd on a control-plane machine."""

    machine: MachineId
    name: str
    peer_ip: str
    is_learner: bool = False  # it has no vote yet


@dataclass(slots=True)
class SimNode:
    """A Node object and the kubelet behind it; times in virtual seconds.

    ready      None while Unknown
    since      when `ready` last changed
    ready_at   when its pod network will be up; the kubelet cannot be Ready before
    silent_at  since when the kubelet says nothing; None while it lives
    """

    name: str
    uid: str
    machine: MachineId
    role: Role
    internal_ip: str
    provider_id: str
    zone: str
    room: Requests
    ready_at: float
    since: float
    labels: Mapping[str, str] = field(default_factory=dict)
    ready: bool | None = False
    silent_at: float | None = None
    is_cordoned: bool = False

    @property
    def taints(self) -> frozenset[str]:
        """The taints that keep a pod from being placed here."""
        mine = {CONTROL_PLANE_TAINT} if self.role is Role.CONTROL_PLANE else set()
        return frozenset(mine)


@dataclass(frozen=True, slots=True)
class Deployment:
    """So many equal pods. `selector`: node labels that its pods need."""

    namespace: str
    name: str
    replicas: int
    requests: Requests = Requests()
    selector: tuple[tuple[str, str], ...] = ()
    tolerates: frozenset[str] = frozenset()
    grace: float = 2.0  # seconds that a pod takes to end

    @property
    def key(self) -> str:
        """Namespace and name."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Budget:
    """A PodDisruptionBudget: of a deployment's pods so many must stay healthy."""

    namespace: str
    deployment: str
    min_available: int


@dataclass(slots=True)
class SimPod:
    """A pod of a deployment; times in virtual seconds.

    runs_at     when it will run; None while it has no node
    leaves_at   when it will have ended; None while nobody told it to
    """

    namespace: str
    name: str
    owner: Deployment
    node: str | None = None
    runs_at: float | None = None
    leaves_at: float | None = None
    reason: str = ""  # why it was told to end

    @property
    def is_leaving(self) -> bool:
        """It was told to end."""
        return self.leaves_at is not None

    def is_running(self, now: float) -> bool:
        """Its containers run."""
        return self.runs_at is not None and self.runs_at <= now
