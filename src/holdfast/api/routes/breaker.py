"""The breaker of a cluster: a user's word that machines which look broken together are lost."""

from fastapi import APIRouter

from holdfast.api.auth import ApiContext
from holdfast.api.errors import Refusal
from holdfast.api.routes import lookup
from holdfast.model.event import NewEvent
from holdfast.model.ids import cluster_key
from holdfast.model.wake import Why
from holdfast.wire import cluster as wire
from holdfast.wire.cluster import BreakerRelease, Cluster
from holdfast.wire.error import Invalid, Wrong

PATH = "/v1/kubernetes/clusters/{cluster_id}/breaker-release"
LONGEST_REASON = 500


def router(context: ApiContext) -> APIRouter:
    """Releasing the breaker."""
    routes = APIRouter(tags=["clusters"])
    store = context.store

    @routes.post(PATH, response_model_exclude_none=True)
    async def release_breaker(cluster_id: str, request: BreakerRelease) -> Cluster:
        """Have machines replaced that look broken by now, however many they are.

        The reason is kept as an event. What breaks later counts anew.
        """
        reason = _reason(request)
        async with store.writing() as tx:
            row = await lookup.cluster(context, tx, cluster_id)
            if row.is_deleting:
                raise Refusal(412, f"cluster {row.spec.name} is {wire.status(row).value}")
            row = await store.clusters.release_breaker(tx, row.id)
            message = f"[Cluster] breaker released: {reason}"
            new = NewEvent("BreakerReleased", message, row.spec.name)
            await store.events.append(tx, row.id, new)
            await store.leases.wake(tx, cluster_key(row.id), Why.USER)
            nodes = await lookup.nodes(context, tx, row)
        return wire.shown(row, nodes, context.regions)

    return routes


def _reason(request: BreakerRelease) -> str:
    """The reason on one line. Raises Invalid without one, or with an essay."""
    reason = " ".join(request.reason.split())
    if not reason:
        raise Invalid([Wrong("reason", "required: say why these machines are lost")])
    if len(reason) > LONGEST_REASON:
        raise Invalid([Wrong("reason", f"{len(reason)} characters; at most {LONGEST_REASON}")])
    return reason
