"""Clusters on the wire."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from pydantic import Field

from holdfast.model.cluster import Cluster as Row
from holdfast.model.status import ClusterPhase, ConditionType
from holdfast.wire import network, region
from holdfast.wire.document import Document, MaybeText, Moment
from holdfast.wire.network import Network
from holdfast.wire.node import Node, NodeSpec
from holdfast.wire.region import RegionGroup, RegionName


class ReconcileMode(StrEnum):
    """v1's words for whether the cluster is held to its specification."""

    ENABLED = "enabled"
    PAUSED = "paused"


class ClusterRequest(Document):
    """POST cluster. `preset`, `tags` and `kubernetes_version` are our own, all optional.

    `preset` (starter, basic, ha) stands in place of `nodes`.
    """

    name: str
    region: MaybeText = None
    cloud_credentials_ids: list[str] = Field(default_factory=list, alias="cloudCredentialsIDs")
    nodes: list[NodeSpec] | None = None
    network: Network | None = None
    addons: dict[str, Any] | None = None
    preset: MaybeText = None
    tags: dict[str, str] | None = None
    kubernetes_version: MaybeText = None


class BreakerRelease(Document):
    """POST breaker-release. `reason` is why the machines that look broken are to be replaced."""

    reason: str = ""


class Condition(Document):
    """One fact about a cluster; True is the good state."""

    type: ConditionType
    status: bool
    reason: str
    message: str
    since: Moment


class Cluster(Document):
    """A cluster as v1 shows it, with our own fields behind v1's."""

    id: str
    name: str
    status: ClusterPhase
    region: RegionName
    created_at: Moment
    cloud_credentials_ids: list[str] = Field(alias="cloudCredentialsIDs")
    nodes: list[Node]
    reconcile_mode: ReconcileMode
    network: Network | None = None
    addons: dict[str, Any] = Field(default_factory=dict)
    kubernetes_version: str
    reconciled_at: Moment | None = None
    endpoint: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    conditions: list[Condition] = Field(default_factory=list)
    generation: int
    observed_generation: int
    delete_asked_at: Moment | None = None
    deleted_at: Moment | None = None
    breaker_released_at: Moment | None = None


class ClusterList(Document):
    """Clusters, newest first."""

    items: list[Cluster]


GOING = {
    ClusterPhase.DELETING,
    ClusterPhase.WARNING,
    ClusterPhase.FAILED,
    ClusterPhase.DELETED,
}


def status(row: Row) -> ClusterPhase:
    """The status. From the DELETE on it never says that the cluster is up.

    A pass that began before may still record what it found then; a client that reads `ready`
    after its DELETE gives up.
    """
    return ClusterPhase.DELETING if row.is_deleting and row.phase not in GOING else row.phase


def shown(row: Row, nodes: Iterable[Node], groups: Iterable[RegionGroup]) -> Cluster:
    """The cluster as the API answers it; a deleted one has no nodes."""
    spec = row.spec
    return Cluster(
        id=row.id,
        name=spec.name,
        status=status(row),
        region=region.named(spec.region, groups),
        created_at=row.created_at,
        cloud_credentials_ids=[one.credentials for one in spec.clouds],
        nodes=[] if row.phase is ClusterPhase.DELETED else list(nodes),
        reconcile_mode=ReconcileMode.PAUSED if row.reconcile_paused else ReconcileMode.ENABLED,
        network=network.shown(spec.clouds, spec.vpn),
        kubernetes_version=spec.kubernetes_version,
        reconciled_at=row.reconciled_at,
        endpoint=row.endpoint,
        tags=dict(spec.tags),
        conditions=[
            Condition(
                type=one.type,
                status=one.status,
                reason=one.reason,
                message=one.message,
                since=one.since,
            )
            for one in row.conditions
        ],
        generation=row.generation,
        observed_generation=row.observed_generation,
        delete_asked_at=row.delete_asked_at,
        deleted_at=row.deleted_at,
        breaker_released_at=row.breaker_released_at,
    )
