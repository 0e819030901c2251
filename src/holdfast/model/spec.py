"""What a user wants: the specification of a cluster, validated before it gets here."""

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network

from holdfast.model.ids import CredentialsId, RequestId
from holdfast.model.offering import CapacityType, Cloud, Shape
from holdfast.model.resource import Role

SERVICE_CIDR = IPv4Network("10.96.0.0/12")
POD_CIDR = IPv4Network("10.217.0.0/16")
WIREGUARD_CIDR = IPv4Network("10.4.0.0/16")
DEFAULT_VPC_CIDRS = {
    Cloud.GCP: IPv4Network("10.0.0.0/16"),
    Cloud.AWS: IPv4Network("10.10.0.0/16"),
    Cloud.AZURE: IPv4Network("10.20.0.0/16"),
}


class Preset(StrEnum):
    """Sizes of a cluster that need no further thought."""

    STARTER = "starter"
    BASIC = "basic"
    HA = "ha"


PRESETS: dict[Preset, tuple[tuple[Role, Shape, int], ...]] = {
    Preset.STARTER: ((Role.CONTROL_PLANE, Shape.MEDIUM, 1), (Role.WORKER, Shape.MEDIUM, 1)),
    Preset.BASIC: ((Role.CONTROL_PLANE, Shape.MEDIUM, 1), (Role.WORKER, Shape.SMALL, 3)),
    Preset.HA: ((Role.CONTROL_PLANE, Shape.MEDIUM, 3), (Role.WORKER, Shape.SMALL, 3)),
}


class Vpn(StrEnum):
    """How machines in several clouds reach each other: WireGuard, between all or between clouds."""

    FULL_MESH = "fullMesh"
    CROSS_LOCATION_MESH = "crossLocationMesh"


@dataclass(frozen=True, slots=True)
class NodeRequest:
    """One node that shall exist. `instance_type` wins over `shape` where both are given."""

    id: RequestId
    role: Role
    cloud: Cloud
    shape: Shape
    instance_type: str | None = None
    capacity_type: CapacityType = CapacityType.ON_DEMAND


@dataclass(frozen=True, slots=True)
class CloudSpec:
    """The cluster's share of one cloud. `region` is the cloud's own name."""

    cloud: Cloud
    credentials: CredentialsId
    region: str
    vpc_cidr: IPv4Network


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """All that a user says of a cluster. `region` is the region group: "eu-central"."""

    name: str
    region: str
    kubernetes_version: str
    clouds: tuple[CloudSpec, ...]
    nodes: tuple[NodeRequest, ...]
    tags: tuple[tuple[str, str], ...] = field(default=())
    vpn: Vpn | None = None  # only in one cloud there is none

    def control_planes(self) -> tuple[NodeRequest, ...]:
        """The control-plane nodes that shall exist."""
        return tuple(node for node in self.nodes if node.role is Role.CONTROL_PLANE)
