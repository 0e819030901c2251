"""Clusters: what the user asked for, and what the last pass found."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select, update

from holdfast.clock import Clock
from holdfast.model.cluster import Cluster
from holdfast.model.ids import ClusterId, CredentialsId
from holdfast.model.spec import ClusterSpec, NodeRequest
from holdfast.model.status import ClusterPhase, Condition
from holdfast.store.codec import Codec, canonical
from holdfast.store.database import Tx
from holdfast.store.errors import NameTaken, Unknown
from holdfast.store.session import Row
from holdfast.store.tables import cluster_credentials, clusters

ENDING = frozenset({ClusterPhase.DELETING, ClusterPhase.FAILED, ClusterPhase.DELETED})
_ROW = clusters.c
_SHOWN = tuple(each for each in _ROW if each.name not in {"folded", "plan", "event_seq"})
_THIS = _ROW.id == bindparam("of")
_NAMED = select(_ROW.id).where(_ROW.folded == bindparam("name"), _ROW.deleted_at.is_(None))
_GET = select(*_SHOWN).where(_THIS)
_ALL = select(*_SHOWN).order_by(_ROW.created_at, _ROW.id)
_LIVING = _ALL.where(_ROW.deleted_at.is_(None))
_OF_CREDENTIALS = _LIVING.join(cluster_credentials, cluster_credentials.c.cluster == _ROW.id).where(
    cluster_credentials.c.credentials == bindparam("used")
)
_IDS = _LIVING.with_only_columns(_ROW.id)
_WITH_ENDPOINT = _IDS.where(_ROW.endpoint.is_not(None), _ROW.delete_asked_at.is_(None))
_PLAN = select(_ROW.plan).where(_THIS)
_LOOKED = update(clusters).where(_THIS)
_CHANGED = _LOOKED.values(revision=_ROW.revision + 1).returning(*_SHOWN)
_USES_NONE = delete(cluster_credentials).where(cluster_credentials.c.cluster == bindparam("of"))
_SPEC: Codec[ClusterSpec] = Codec(ClusterSpec)
_CONDITIONS: Codec[tuple[Condition, ...]] = Codec(tuple[Condition, ...])


class Clusters:
    """The rows of clusters. The user's side: create, ask_delete, change_nodes, set_paused,
    release_breaker. A pass: record."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def create(self, tx: Tx, cluster: Cluster) -> None:
        """A new cluster. Raises NameTaken: a living one has the name, without regard to case."""
        folded = cluster.spec.name.casefold()
        if await tx.row(_NAMED, name=folded) is not None:
            message = f"cluster name {cluster.spec.name!r} is taken"
            raise NameTaken(message)
        await tx.insert(clusters, [{**_row(cluster), "folded": folded}])
        used = {cloud.credentials for cloud in cluster.spec.clouds}
        await tx.insert(
            cluster_credentials,
            [{"cluster": cluster.id, "credentials": each} for each in sorted(used)],
        )

    async def get(self, tx: Tx, cluster_id: ClusterId) -> Cluster | None:
        """One cluster, a deleted one too."""
        return await tx.value(_GET, _cluster, of=cluster_id)

    async def list(self, tx: Tx, *, include_deleted: bool = False) -> list[Cluster]:
        """All clusters, oldest first."""
        return await tx.values(_ALL if include_deleted else _LIVING, _cluster)

    async def of_credentials(self, tx: Tx, credentials: CredentialsId) -> tuple[Cluster, ...]:
        """Those that use an account's credentials and are not deleted, oldest first."""
        return tuple(await tx.values(_OF_CREDENTIALS, _cluster, used=credentials))

    async def ids(self, tx: Tx) -> tuple[ClusterId, ...]:
        """Of all clusters that are not deleted, oldest first."""
        return tuple(ClusterId(row["id"]) for row in await tx.rows(_IDS))

    async def with_endpoint(self, tx: Tx) -> tuple[ClusterId, ...]:
        """Of those that have an address and shall stay, oldest first."""
        return tuple(ClusterId(row["id"]) for row in await tx.rows(_WITH_ENDPOINT))

    async def ask_delete(self, tx: Tx, cluster_id: ClusterId) -> Cluster:
        """The user wants it gone; asked again, a deletion that failed goes on. Raises Unknown."""
        cluster = await self._known(tx, cluster_id)
        if cluster.is_deleting and cluster.phase is not ClusterPhase.FAILED:
            return cluster
        asked_at = cluster.delete_asked_at or self._clock.now()
        phase = ClusterPhase.DELETING.value
        return await self._change(tx, cluster_id, delete_asked_at=asked_at, phase=phase)

    async def change_nodes(
        self, tx: Tx, cluster_id: ClusterId, nodes: Sequence[NodeRequest]
    ) -> Cluster:
        """The user wants other nodes. Raises Unknown."""
        cluster = await self._known(tx, cluster_id)
        spec = replace(cluster.spec, nodes=tuple(nodes))
        return await self._change(
            tx, cluster_id, spec=_SPEC.encode(spec), generation=cluster.generation + 1
        )

    async def set_paused(self, tx: Tx, cluster_id: ClusterId, paused: bool) -> Cluster:  # noqa: FBT001
        """Whether passes may act on it. Raises Unknown."""
        cluster = await self._known(tx, cluster_id)
        if cluster.reconcile_paused == paused:
            return cluster
        return await self._change(tx, cluster_id, reconcile_paused=paused)

    async def release_breaker(self, tx: Tx, cluster_id: ClusterId) -> Cluster:
        """A user says that what looks broken now is lost. Raises Unknown."""
        return await self._change(tx, cluster_id, breaker_released_at=self._clock.now())

    async def record(  # noqa: PLR0913  (the facts of one pass, one column each)
        self,
        tx: Tx,
        cluster_id: ClusterId,
        *,
        phase: ClusterPhase,
        conditions: tuple[Condition, ...],
        endpoint: str | None,
        observed_generation: int,
        reconciled_at: datetime,
        delete_calls_at: datetime | None,
        deleted_at: datetime | None,
        plan: Mapping[str, Any],
    ) -> Cluster:
        """What a pass found, inside a guarded transaction. Raises Unknown.

        `revision` rises only when something changed that a user sees, not for every look at it.
        """
        old = await tx.row(_GET, of=cluster_id)
        if old is None:
            raise _unknown(cluster_id)
        before = _cluster(old)
        if before.is_deleting and phase not in ENDING:
            phase = ClusterPhase.DELETING  # the pass began before the user asked for the end
        shown = {
            "phase": phase.value,
            "conditions": _CONDITIONS.encode(conditions),
            "endpoint": endpoint,
            "observed_generation": observed_generation,
            "delete_calls_at": delete_calls_at,
            "deleted_at": deleted_at,
        }
        unseen = {"reconciled_at": reconciled_at, "plan": canonical(plan)}
        if deleted_at is not None:
            await tx.run(_USES_NONE, of=cluster_id)
        if all(old[name] == value for name, value in shown.items()):
            await tx.run(_LOOKED, of=cluster_id, **unseen)
            return replace(before, reconciled_at=reconciled_at)
        return await self._change(tx, cluster_id, **shown, **unseen)

    async def plan(self, tx: Tx, cluster_id: ClusterId) -> dict[str, Any] | None:
        """The last pass's plan as it was recorded; None before the first one."""
        row = await tx.row(_PLAN, of=cluster_id)
        if row is None or row["plan"] is None:
            return None
        plan: dict[str, Any] = json.loads(row["plan"])
        return plan

    async def _known(self, tx: Tx, cluster_id: ClusterId) -> Cluster:
        cluster = await self.get(tx, cluster_id)
        if cluster is None:
            raise _unknown(cluster_id)
        return cluster

    async def _change(self, tx: Tx, cluster_id: ClusterId, **values: Any) -> Cluster:
        changed = await tx.value(_CHANGED, _cluster, of=cluster_id, **values)
        if changed is None:
            raise _unknown(cluster_id)
        tx.changed.add(cluster_id)
        return changed


def _unknown(cluster_id: ClusterId) -> Unknown:
    return Unknown(f"cluster {cluster_id}: there is none")


def _row(cluster: Cluster) -> dict[str, Any]:
    return {
        "id": cluster.id,
        "name": cluster.spec.name,
        "spec": _SPEC.encode(cluster.spec),
        "generation": cluster.generation,
        "observed_generation": cluster.observed_generation,
        "revision": cluster.revision,
        "phase": cluster.phase.value,
        "conditions": _CONDITIONS.encode(cluster.conditions),
        "reconcile_paused": cluster.reconcile_paused,
        "observe_only": cluster.observe_only,
        "endpoint": cluster.endpoint,
        "created_at": cluster.created_at,
        "reconciled_at": cluster.reconciled_at,
        "delete_asked_at": cluster.delete_asked_at,
        "delete_calls_at": cluster.delete_calls_at,
        "breaker_released_at": cluster.breaker_released_at,
        "deleted_at": cluster.deleted_at,
    }


def _cluster(row: Row) -> Cluster:
    return Cluster(
        id=ClusterId(row["id"]),
        spec=_SPEC.decode(row["spec"]),
        generation=row["generation"],
        observed_generation=row["observed_generation"],
        revision=row["revision"],
        phase=ClusterPhase(row["phase"]),
        conditions=_CONDITIONS.decode(row["conditions"]),
        reconcile_paused=row["reconcile_paused"],
        observe_only=row["observe_only"],
        endpoint=row["endpoint"],
        created_at=row["created_at"],
        reconciled_at=row["reconciled_at"],
        delete_asked_at=row["delete_asked_at"],
        delete_calls_at=row["delete_calls_at"],
        breaker_released_at=row["breaker_released_at"],
        deleted_at=row["deleted_at"],
    )
