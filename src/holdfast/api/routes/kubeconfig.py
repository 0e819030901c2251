"""The kubeconfig of a cluster: one context, a client certificate that ends."""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query, Response

from holdfast.api.auth import ApiContext
from holdfast.api.errors import Refusal
from holdfast.api.routes import lookup
from holdfast.bootstrap.addons import ADMINS, VIEWERS
from holdfast.identity import kubeconfig
from holdfast.identity.pki import ClusterPki
from holdfast.model.cluster import Cluster
from holdfast.model.machine import Machine
from holdfast.model.resource import Role
from holdfast.model.status import ClusterPhase

API_PORT = 6443
DEFAULT_HOURS = 30 * 24
MOST_HOURS = 365 * 24
NEVER_READY = {ClusterPhase.CREATING, ClusterPhase.DELETING, ClusterPhase.DELETED}


class Access(StrEnum):
    """What the holder may do."""

    ADMIN = "admin"
    VIEW = "view"


GROUPS = {Access.ADMIN: (ADMINS,), Access.VIEW: (VIEWERS,)}


def router(context: ApiContext) -> APIRouter:
    """Kubeconfigs."""
    routes = APIRouter(tags=["kubeconfig"])

    @routes.get(
        "/v1/kubernetes/clusters/{cluster_id}/kubeconfig",
        response_class=Response,
        responses={200: {"content": {"application/yaml": {}}}},
    )
    async def get_kubeconfig(
        cluster_id: str,
        role: Access = Access.ADMIN,
        hours: Annotated[int, Query(ge=1, le=MOST_HOURS)] = DEFAULT_HOURS,
    ) -> Response:
        """A new client certificate in a kubeconfig; 404 until the cluster can be used."""
        async with context.store.reading() as tx:
            found = await lookup.cluster(context, tx, cluster_id)
            machines = await context.store.machines.of_cluster(tx, found.id, gone=True)
            stored = await context.store.secrets.get(tx, found.id, "pki")
        if stored is None or found.endpoint is None or not _is_usable(found, machines):
            message = f"cluster {found.spec.name} is {found.phase.value}: it has no kubeconfig now"
            raise Refusal(404, message)
        text = kubeconfig.mint(
            ClusterPki.from_json(stored),
            cluster_name_context=context_name(found),
            server_url=f"https://{found.endpoint}:{API_PORT}",
            proxy_url=context.egress_proxy,
            user=f"holdfast-{role.value}",
            groups=GROUPS[role],
            now=context.clock.now(),
            valid_for=timedelta(hours=hours),
        )
        return Response(text, media_type="application/yaml")

    return routes


def context_name(cluster: Cluster) -> str:
    """`<name>-<8 of the id>` with the name as given.

    A published client renames the context's user to exactly this but keeps the reference to the
    cluster, so that any other name breaks kubectl.
    """
    return f"{cluster.spec.name}-{cluster.id[:8]}"


def _is_usable(cluster: Cluster, machines: Sequence[Machine]) -> bool:
    """Its API server has come up once, and it is not going."""
    return cluster.phase not in NEVER_READY and any(
        machine.role is Role.CONTROL_PLANE and machine.joined_at is not None for machine in machines
    )
