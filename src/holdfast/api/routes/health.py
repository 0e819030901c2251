"""Is the platform alive, can it serve, and its metrics. Without a token where it runs."""

from importlib.metadata import version

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST

from holdfast.api.auth import ApiContext, required_from_afar
from holdfast.wire.health import Health


def router(context: ApiContext) -> APIRouter:
    """Probes and metrics."""
    routes = APIRouter(tags=["health"])
    own_version = version("holdfast")

    @routes.get("/v1/health")
    async def health() -> Health:
        """The process answers."""
        return Health(status="ok", version=own_version)

    @routes.get("/v1/ready")
    async def ready() -> Health:
        """The process answers and reads its database."""
        async with context.store.reading() as tx:
            await context.store.tokens.list(tx)
        return Health(status="ok", version=own_version)

    @routes.get("/metrics", dependencies=[Depends(required_from_afar(context))])
    async def metrics() -> Response:
        """Prometheus text format."""
        return Response(context.metrics.render(), media_type=CONTENT_TYPE_LATEST)

    return routes
