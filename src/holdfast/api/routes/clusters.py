"""Clusters: created, listed, read, deleted, reconciled on demand."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query

from holdfast.api.auth import ApiContext
from holdfast.api.errors import TITLES, Refusal
from holdfast.api.routes import drafts, lookup
from holdfast.model.cluster import Cluster as Row
from holdfast.model.event import NewEvent
from holdfast.model.ids import ClusterId, cluster_key
from holdfast.model.status import ClusterPhase
from holdfast.model.wake import Why
from holdfast.store.things import Thing as Seen
from holdfast.wire import certificate
from holdfast.wire import cluster as wire
from holdfast.wire.certificate import DeletionCertificate
from holdfast.wire.cluster import Cluster, ClusterList, ClusterRequest
from holdfast.wire.thing import Thing, ThingList

PATH = "/v1/kubernetes/clusters"
ONE = f"{PATH}/{{cluster_id}}"


def router(context: ApiContext) -> APIRouter:
    """Clusters."""
    routes = APIRouter(tags=["clusters"])
    _reading(context, routes)
    _changing(context, routes)
    return routes


def _reading(context: ApiContext, routes: APIRouter) -> None:
    store = context.store

    @routes.get(PATH, response_model_exclude_none=True)
    async def list_clusters(
        credentials_id: Annotated[list[str] | None, Query(alias="credentialsId")] = None,
        include_deleted: Annotated[bool, Query(alias="includeDeleted")] = False,  # noqa: FBT002
    ) -> ClusterList:
        """Living clusters; deleted ones on request, behind them."""
        async with store.reading() as tx:
            rows = await store.clusters.list(tx, include_deleted=include_deleted)
            machines = await store.machines.by_cluster(tx)
        wanted = {text.lower() for text in credentials_id or ()}
        rows = [row for row in rows if not wanted or wanted & _credentials(row)]
        rows.sort(key=lambda row: row.phase is ClusterPhase.DELETED)
        items = []
        for row in rows:
            nodes = lookup.shown(context, row, machines.get(row.id, ()), {})
            items.append(wire.shown(row, nodes, context.regions))
        return ClusterList(items=items)

    @routes.get(ONE, response_model_exclude_none=True)
    async def get_cluster(cluster_id: str) -> Cluster:
        """One cluster; a deleted one stays readable."""
        async with store.reading() as tx:
            row = await lookup.cluster(context, tx, cluster_id)
            nodes = await lookup.nodes(context, tx, row)
        return wire.shown(row, nodes, context.regions)

    @routes.get(f"{ONE}/resources", response_model_exclude_none=True)
    async def list_resources(cluster_id: str) -> ThingList:
        """Every cloud thing of the cluster that was ever seen, with what became of it."""
        async with store.reading() as tx:
            row = await lookup.cluster(context, tx, cluster_id)
            things = await store.things.of_cluster(tx, row.id)
        return ThingList(items=[_thing(thing) for thing in things])

    @routes.get(f"{ONE}/deletion-certificate")
    async def get_certificate(cluster_id: str) -> DeletionCertificate:
        """The proof of the deletion; 404 until there is one."""
        async with store.reading() as tx:
            row = await lookup.cluster(context, tx, cluster_id)
            found = await store.certificates.get(tx, row.id)
        if found is None:
            message = f"cluster {row.spec.name} is {row.phase.value}: it has no certificate yet"
            raise Refusal(404, message)
        return certificate.shown(found)


def _changing(context: ApiContext, routes: APIRouter) -> None:
    store = context.store

    @routes.post(PATH, status_code=201, response_model_exclude_none=True)
    async def create_cluster(request: ClusterRequest) -> Cluster:
        """Have a cluster made. Everything that can be known to be impossible is said now."""
        spec, preview = await drafts.checked(context, request)
        if preview.violations:
            raise Refusal(400, TITLES[400], drafts.wrong(preview))
        row = Row(
            id=ClusterId(context.chance.uuid()),
            spec=spec,
            generation=1,
            observed_generation=0,
            revision=1,
            phase=ClusterPhase.CREATING,
            created_at=context.clock.now(),
        )
        message = f"[Cluster] creation requested name={spec.name}"
        async with store.writing() as tx:
            await drafts.still_there(context, tx, spec)
            waits = await store.observe_only.state(tx) is not None
            await store.clusters.create(tx, replace(row, observe_only=waits))
            await store.events.append(tx, row.id, NewEvent("ClusterRequested", message, spec.name))
            await store.leases.wake(tx, cluster_key(row.id), Why.USER)
        nodes = lookup.shown(context, row, (), {})
        return wire.shown(row, nodes, context.regions)

    @routes.delete(ONE, status_code=204)
    async def delete_cluster(cluster_id: str) -> None:
        """Have it deleted; the status is `deleting` before this answers. Repeating is harmless."""
        async with store.writing() as tx:
            row = await lookup.cluster(context, tx, cluster_id)
            if row.phase is ClusterPhase.DELETED:
                return
            if not row.is_deleting:
                message = f"[Cluster] deletion requested name={row.spec.name}"
                new = NewEvent("DeletionRequested", message, row.spec.name)
                await store.events.append(tx, row.id, new)
            await store.clusters.ask_delete(tx, row.id)
            await store.leases.wake(tx, cluster_key(row.id), Why.USER)

    @routes.post(f"{ONE}/trigger-reconcile", response_model_exclude_none=True)
    async def trigger_reconcile(cluster_id: str) -> Cluster:
        """Compare and repair now."""
        async with store.writing() as tx:
            row = await lookup.cluster(context, tx, cluster_id)
            if row.phase is ClusterPhase.DELETED:
                raise Refusal(412, f"cluster {row.spec.name} is deleted")
            await store.leases.wake(tx, cluster_key(row.id), Why.USER)
            nodes = await lookup.nodes(context, tx, row)
        return wire.shown(row, nodes, context.regions)


def _credentials(row: Row) -> set[str]:
    return {cloud.credentials for cloud in row.spec.clouds}


def _thing(thing: Seen) -> Thing:
    return Thing(
        name=thing.name,
        kind=thing.kind,
        id=thing.id,
        life=thing.life.value,
        evidence=thing.evidence,
        first_seen_at=thing.first_seen_at,
        removed_at=thing.removed_at,
    )
