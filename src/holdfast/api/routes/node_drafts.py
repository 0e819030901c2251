"""From a change of nodes to a checked one: nothing is saved here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from holdfast.api.auth import ApiContext
from holdfast.api.errors import TITLES, Refusal
from holdfast.api.routes import verdict
from holdfast.model.account import Region
from holdfast.model.cluster import Cluster
from holdfast.model.offering import Cloud
from holdfast.model.spec import NodeRequest
from holdfast.planner.change import Unchangeable
from holdfast.planner.preview import Preview, additions
from holdfast.store.database import Tx
from holdfast.wire import requested
from holdfast.wire.error import Invalid, Wrong
from holdfast.wire.known import Known, Place
from holdfast.wire.node import NodeSpec


@dataclass(frozen=True, slots=True)
class Added:
    """New nodes with their machines and price, and what the clouds sell there."""

    nodes: tuple[NodeRequest, ...]
    preview: Preview
    regions: dict[Cloud, Region]


def changeable(cluster: Cluster) -> None:
    """Raises Refusal 412 for a cluster that goes or is gone."""
    if cluster.is_deleting:
        raise Refusal(412, f"cluster {cluster.spec.name} is deleted or being deleted")


async def added(
    context: ApiContext, cluster: Cluster, specs: Sequence[NodeSpec], new_id: Callable[[], str]
) -> Added:
    """The nodes to add. Raises Invalid with all that is wrong with them."""
    places = {c.cloud: Place(c.credentials, c.region) for c in cluster.spec.clouds}
    regions = {
        cloud: found
        for cloud, place in places.items()
        if specs and (found := await verdict.catalogue(context, place.credentials, place.region))
    }
    known = Known(context.regions, context.clouds, {}, regions)
    nodes, wrong = requested.each(specs, "add", places, known, new_id)
    most = requested.MOST_NODES
    if len(cluster.spec.nodes) + len(specs) > most:
        wrong.append(Wrong("add", f"more than {most} nodes with those that there are"))
    if wrong:
        raise Invalid(wrong)
    return Added(tuple(nodes), additions(cluster.spec, nodes, regions), regions)


def wrong(found: Added) -> list[Wrong]:
    """What the clouds do not sell or allow."""
    return [Wrong(one.field, one.description) for one in found.preview.violations]


def possible(found: Added) -> None:
    """Raises Refusal 400 when something could not be made."""
    if found.preview.violations:
        raise Refusal(400, TITLES[400], wrong(found))


def refusal(error: Unchangeable, *, path: str) -> Refusal:
    """404 for one node that there is not, 412 for what the cluster's state forbids.

    With `path` ("delete[{}].id") the field of a list is named, and the status is 400.
    """
    if path:
        return Refusal(400, TITLES[400], [Wrong(path.format(error.index), str(error))])
    return Refusal(404 if error.missing else 412, str(error))


async def known_regions(context: ApiContext, tx: Tx, cluster: Cluster) -> dict[Cloud, Region]:
    """The stored catalogues of a cluster's clouds."""
    found = {}
    for cloud in cluster.spec.clouds:
        known = await context.store.regions.get(tx, cloud.credentials, cloud.region)
        if known is not None:
            found[cloud.cloud] = known[0]
    return found
