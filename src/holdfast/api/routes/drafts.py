"""From a create request to a checked specification and its price, without making anything."""

from collections.abc import Iterable
from dataclasses import replace

from holdfast.api.auth import ApiContext
from holdfast.api.routes import verdict
from holdfast.model.spec import ClusterSpec
from holdfast.planner.preview import Preview, preview
from holdfast.store.database import Tx
from holdfast.wire import draft
from holdfast.wire.cluster import ClusterRequest
from holdfast.wire.error import Invalid, Wrong
from holdfast.wire.known import Known


async def checked(context: ApiContext, request: ClusterRequest) -> tuple[ClusterSpec, Preview]:
    """The specification with its plan and price. Raises Invalid with all that is wrong."""
    async with context.store.reading() as tx:
        rows = await context.store.credentials.list(tx)
    credentials = {row.id: row.cloud for row in rows}
    known = Known(context.regions, context.clouds, credentials)
    places, _ = draft.placement(request, known)
    catalogues = {
        cloud: found
        for cloud, place in places.items()
        if (found := await verdict.catalogue(context, place.credentials, place.region))
    }
    spec = draft.spec(request, replace(known, catalogues=catalogues), context.chance.uuid)
    return spec, preview(spec, catalogues)


def wrong(found: Preview) -> Iterable[Wrong]:
    """What makes the specification impossible."""
    return [Wrong(one.field, one.description) for one in found.violations]


async def still_there(context: ApiContext, tx: Tx, spec: ClusterSpec) -> None:
    """Raises Invalid when credentials were removed since the specification was checked."""
    for index, cloud in enumerate(spec.clouds):
        if await context.store.credentials.get(tx, cloud.credentials) is None:
            field = f"cloudCredentialsIDs[{index}]"
            raise Invalid([Wrong(field, "the credentials were removed a moment ago")])
