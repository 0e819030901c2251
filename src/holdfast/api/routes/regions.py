"""GET /v1/regions."""

from fastapi import APIRouter

from holdfast.api.auth import ApiContext
from holdfast.wire import region
from holdfast.wire.region import RegionList


def router(context: ApiContext) -> APIRouter:
    """The region groups of this installation."""
    routes = APIRouter(tags=["regions"])

    @routes.get("/v1/regions")
    async def list_regions() -> RegionList:
        """All regions; the first one is the default of published clients."""
        return region.shown(context.regions)

    return routes
