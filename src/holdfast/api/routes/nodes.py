"""Nodes of a cluster."""

from fastapi import APIRouter

from holdfast.api.auth import ApiContext
from holdfast.api.errors import not_found
from holdfast.api.routes import lookup
from holdfast.wire.node import Node, NodeList


def router(context: ApiContext) -> APIRouter:
    """Reading nodes."""
    routes = APIRouter(tags=["nodes"])
    path = "/v1/kubernetes/clusters/{cluster_id}/nodes"

    async def all_of(cluster_id: str) -> list[Node]:
        async with context.store.reading() as tx:
            found = await lookup.cluster(context, tx, cluster_id)
            return await lookup.nodes(context, tx, found)

    @routes.get(path, response_model_exclude_none=True)
    async def list_nodes(cluster_id: str) -> NodeList:
        """Every node, those without a machine yet included."""
        return NodeList(items=await all_of(cluster_id))

    @routes.get(f"{path}/{{node_id}}", response_model_exclude_none=True)
    async def get_node(cluster_id: str, node_id: str) -> Node:
        """One node of the cluster."""
        wanted = lookup.uuid(node_id)
        for node in await all_of(cluster_id):
            if node.id == wanted:
                return node
        raise not_found("node", node_id)

    return routes
