"""Plans: of a cluster that does not exist yet, and of the last pass of one that does."""

from fastapi import APIRouter

from holdfast.api.auth import ApiContext
from holdfast.api.routes import drafts, lookup
from holdfast.model.action import CostLine
from holdfast.model.cluster import Cluster
from holdfast.planner.cost import of_machines
from holdfast.planner.desired import endpoint_cloud
from holdfast.store.database import Tx
from holdfast.wire import plan as wire
from holdfast.wire.cluster import ClusterRequest
from holdfast.wire.error import Wrong
from holdfast.wire.plan import ClusterPlan, ClusterPreview


def router(context: ApiContext) -> APIRouter:
    """Plans and prices."""
    routes = APIRouter(tags=["plans"])

    @routes.post("/v1/kubernetes/clusters:plan", response_model_exclude_none=True)
    async def preview_cluster(request: ClusterRequest) -> ClusterPreview:
        """What a create with the same body would make and cost, and what would stop it."""
        spec, preview = await drafts.checked(context, request)
        wrong = [*drafts.wrong(preview), *await _name_taken(context, spec.name)]
        return ClusterPreview(
            name=spec.name,
            region=spec.region,
            kubernetes_version=spec.kubernetes_version,
            machines=[wire.planned_machine(m.request, m.offering) for m in preview.machines],
            cost=wire.cost(preview.lines),
            violations=wire.violations(wrong),
        )

    @routes.get("/v1/kubernetes/clusters/{cluster_id}/plan", response_model_exclude_none=True)
    async def get_plan(cluster_id: str) -> ClusterPlan:
        """What the last pass decided: actions, what waits and why, and the cost."""
        async with context.store.reading() as tx:
            found = await lookup.cluster(context, tx, cluster_id)
            stored = await context.store.clusters.plan(tx, found.id)
            lines = await _cost(context, tx, found)
        return wire.of_pass(stored, found.reconciled_at, wire.cost(lines) if lines else None)

    return routes


async def _cost(context: ApiContext, tx: Tx, found: Cluster) -> list[CostLine]:
    """What the machines that exist or were chosen cost now, by the last known prices."""
    lines: list[CostLine] = []
    machines = await context.store.machines.of_cluster(tx, found.id)
    for cloud in found.spec.clouds:
        known = await context.store.regions.get(tx, cloud.credentials, cloud.region)
        mine = [machine for machine in machines if machine.offering.cloud is cloud.cloud]
        if known is not None:
            lines += of_machines(known[0], mine)
            if found.endpoint is not None and cloud.cloud is endpoint_cloud(found.spec):
                detail = f"reserved public address {found.endpoint}"
                lines.append(CostLine("endpoint", detail, known[0].address_price))
    return lines


async def _name_taken(context: ApiContext, name: str) -> list[Wrong]:
    async with context.store.reading() as tx:
        living = await context.store.clusters.list(tx)
    taken = any(row.spec.name.casefold() == name.casefold() for row in living)
    return [Wrong("name", "already taken")] if taken else []
