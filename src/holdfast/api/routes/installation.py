"""The installation: does it act or only observe, and its release by a person."""

from typing import Annotated

from fastapi import APIRouter, Body

from holdfast.api.auth import ApiContext
from holdfast.api.errors import Refusal
from holdfast.api.routes import lookup
from holdfast.model.cluster import Cluster
from holdfast.model.ids import ClusterId
from holdfast.store.database import Tx
from holdfast.store.orphans import Orphan
from holdfast.wire import installation as wire
from holdfast.wire import plan
from holdfast.wire.installation import HeldCluster, Installation, Mode, OrphanThing, ReleaseRequest

PATH = "/v1/installation"
Release = Annotated[ReleaseRequest | None, Body()]


def router(context: ApiContext) -> APIRouter:
    """The installation."""
    routes = APIRouter(tags=["installation"])
    store = context.store

    @routes.get(PATH, response_model_exclude_none=True)
    async def get_installation() -> Installation:
        """Its mode; while it only observes also what each cluster would do and what that adds."""
        async with store.writing() as tx:
            return await _shown(context, tx)

    @routes.post(f"{PATH}/release", response_model_exclude_none=True)
    async def release(request: Release = None) -> Installation:
        """Let the platform act again: on all clusters, or on those that are named."""
        named = None if request is None else request.clusters
        async with store.writing() as tx:
            if await store.observe_only.state(tx) is None:
                raise Refusal(412, "the installation acts already; there is nothing to release")
            only = None
            if named is not None:
                only = [await _waiting(context, tx, each) for each in named]
            await store.observe_only.release(tx, only)
            return await _shown(context, tx)

    return routes


async def _waiting(context: ApiContext, tx: Tx, text: str) -> ClusterId:
    """The id of a cluster that waits. Raises Refusal."""
    found = await lookup.cluster(context, tx, text)
    if not found.observe_only:
        raise Refusal(412, f"cluster {found.spec.name} does not wait for a release")
    return found.id


async def _shown(context: ApiContext, tx: Tx) -> Installation:
    store = context.store
    state = await store.observe_only.state(tx)
    clusters = await store.clusters.list(tx) if state is not None else []
    return Installation(
        id=(await store.installation.get_or_make(tx)).id,
        mode=Mode.ACTIVE if state is None else Mode.OBSERVE_ONLY,
        since=None if state is None else state.since,
        reason=None if state is None else state.reason,
        waiting=[await _held(context, tx, each) for each in clusters if each.observe_only],
        orphans=[_orphan(each) for each in await store.orphans.list(tx)],
    )


async def _held(context: ApiContext, tx: Tx, cluster: Cluster) -> HeldCluster:
    """A plan from before the state has no steps: it says nothing of what would be done."""
    stored = await context.store.clusters.plan(tx, cluster.id)
    found = plan.of_pass(stored, cluster.reconciled_at, None)
    steps = found.intended or []
    seen_at = None if found.intended is None else cluster.reconciled_at
    return HeldCluster(
        id=cluster.id,
        name=cluster.spec.name,
        seen_at=seen_at,
        steps=steps,
        added=wire.added(steps),
    )


def _orphan(orphan: Orphan) -> OrphanThing:
    return OrphanThing(
        id=orphan.id,
        kind=orphan.kind,
        name=orphan.name,
        cluster_id=orphan.cluster,
        region=orphan.region,
        made_at=orphan.made_at,
        first_seen_at=orphan.first_seen_at,
    )
