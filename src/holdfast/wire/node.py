"""Nodes on the wire: what a user asks for, and what v1 shows of a machine."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from holdfast.model import names
from holdfast.model.cluster import Cluster
from holdfast.model.ids import MachineId
from holdfast.model.machine import Machine, Stage
from holdfast.model.offering import CapacityType, Cloud
from holdfast.model.resource import Role
from holdfast.model.spec import NodeRequest
from holdfast.model.status import NodePhase
from holdfast.wire.document import Document, MaybeText, Moment


class NodeRole(StrEnum):
    """v1's words for a machine's role."""

    MASTER = "master"
    WORKER = "worker"


ROLES = {NodeRole.MASTER: Role.CONTROL_PLANE, NodeRole.WORKER: Role.WORKER}
ROLE_NAMES = {role: name for name, role in ROLES.items()}


class SpotConfig(Document):
    """Spot or not. `price` is the highest bid of v1."""

    is_spot: bool = False
    price: MaybeText = None


class NodeSpec(Document):
    """A node of a request. One of `shape` and `instance_type`; empty means absent."""

    cloud: Cloud
    role: NodeRole
    shape: MaybeText = None
    instance_type: MaybeText = None
    spot_config: SpotConfig | None = None


class NodeState(Document):
    """Where the node is in its life; `reason` says why, where there is something to say."""

    phase: NodePhase
    reason: str | None = None


class NodeNetwork(Document):
    """Addresses; empty text where there is none."""

    public_ip: str = ""
    private_ip: str = ""


class Node(Document):
    """A node as v1 shows it."""

    id: str
    name: str
    cloud: Cloud
    role: NodeRole
    shape: str
    instance_type: str
    created_at: Moment
    state: NodeState
    network: NodeNetwork | None = None
    spot_config: SpotConfig
    instance_id: str | None = None
    instance_price: str | None = None
    region: str | None = None
    zone: str | None = None
    joined_at: Moment | None = None


class NodeList(Document):
    """All nodes of a cluster."""

    items: list[Node]


_PHASES = {
    Stage.CHOSEN: NodePhase.PENDING,
    Stage.LAUNCHED: NodePhase.CREATING,
    Stage.REGISTERED: NodePhase.CREATING,
    Stage.JOINING: NodePhase.CREATING,
    Stage.INITIALIZED: NodePhase.NOT_READY,
    Stage.READY: NodePhase.READY,
    Stage.LEAVING: NodePhase.DRAINING,
    Stage.DELETING: NodePhase.DELETING,
    Stage.GONE: NodePhase.DELETED,
}


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What is known of a machine beside its row.

    late   True when its agent's heartbeat is overdue
    price  USD per hour of its offering, where it is known
    """

    late: bool = False
    price: Decimal | None = None


def phase(machine: Machine, facts: NodeFacts) -> NodePhase:
    """v1's phase. A silent agent makes it unknown: kubelet's last word may be old."""
    if machine.stage in {Stage.READY, Stage.INITIALIZED} and facts.late:
        return NodePhase.UNKNOWN
    return _PHASES[machine.stage]


def of_machine(machine: Machine, request: NodeRequest | None, facts: NodeFacts) -> Node:
    """A chosen machine. `request` is None when the user no longer asks for it."""
    key = machine.offering
    return Node(
        id=machine.id,
        name=machine.name,
        cloud=key.cloud,
        role=ROLE_NAMES[machine.role],
        shape=request.shape if request else key.instance_type,
        instance_type=key.instance_type,
        created_at=machine.chosen_at,
        state=_state(machine, request, facts),
        network=_addresses(machine.public_ip, machine.private_ip),
        spot_config=SpotConfig(is_spot=key.capacity_type is CapacityType.SPOT),
        instance_id=machine.provider_id,
        instance_price=None if facts.price is None else f"{facts.price:.4f}",
        region=key.region,
        zone=key.zone,
        joined_at=machine.joined_at,
    )


def _state(machine: Machine, request: NodeRequest | None, facts: NodeFacts) -> NodeState:
    """One that nobody asks for any more leaves, from the moment of the request on."""
    reasons = (machine.written_off_reason, machine.leaving_reason, machine.replace_stopped)
    leaves = request is None and machine.is_wanted
    return NodeState(
        phase=NodePhase.DRAINING if leaves else phase(machine, facts),
        reason=next((reason for reason in reasons if reason), None),
    )


def of_request(request: NodeRequest, cluster: Cluster, at: datetime) -> Node:
    """A node for which no machine was chosen yet: listed at once, pending."""
    stand_in = MachineId(request.id)
    return Node(
        id=request.id,
        name=names.host(cluster.spec.name, cluster.id, request.cloud, stand_in),
        cloud=request.cloud,
        role=ROLE_NAMES[request.role],
        shape=request.shape,
        instance_type=request.instance_type or "",
        created_at=at,
        state=NodeState(phase=NodePhase.PENDING),
        spot_config=SpotConfig(is_spot=request.capacity_type is CapacityType.SPOT),
    )


def _addresses(public: str | None, private: str | None) -> NodeNetwork | None:
    if public is None and private is None:
        return None
    return NodeNetwork(public_ip=public or "", private_ip=private or "")
