"""What several routes look up: a cluster by its id, its nodes as the API shows them."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from uuid import UUID

from holdfast.api.auth import ApiContext
from holdfast.api.errors import not_found
from holdfast.model.cluster import Cluster
from holdfast.model.ids import ClusterId, RequestId
from holdfast.model.machine import Machine
from holdfast.model.offering import OfferingKey
from holdfast.model.spec import NodeRequest
from holdfast.store.database import Tx
from holdfast.wire import node
from holdfast.wire.node import Node, NodeFacts

Prices = Mapping[OfferingKey, Decimal]


async def cluster(context: ApiContext, tx: Tx, text: str) -> Cluster:
    """The cluster of an id, deleted ones too. Raises Refusal 404."""
    found = await context.store.clusters.get(tx, ClusterId(uuid(text) or ""))
    if found is None:
        raise not_found("cluster", text)
    return found


def uuid(text: str) -> str | None:
    """The canonical lower-case form; None when it is no UUID."""
    try:
        return str(UUID(text)) if len(text) == 36 else None
    except ValueError:
        return None


async def nodes(context: ApiContext, tx: Tx, found: Cluster) -> list[Node]:
    """The nodes of one cluster, with prices."""
    machines = await context.store.machines.of_cluster(tx, found.id)
    prices = await _prices(context, tx, found, machines)
    return shown(context, found, machines, prices)


async def _prices(
    context: ApiContext, tx: Tx, found: Cluster, machines: Iterable[Machine]
) -> dict[OfferingKey, Decimal]:
    wanted = {machine.offering for machine in machines}
    prices: dict[OfferingKey, Decimal] = {}
    for cloud in found.spec.clouds if wanted else ():
        known = await context.store.regions.get(tx, cloud.credentials, cloud.region)
        if known is not None:
            prices |= {o.key: o.price for o in known[0].offerings if o.key in wanted}
    return prices


def shown(
    context: ApiContext, found: Cluster, machines: Iterable[Machine], prices: Prices
) -> list[Node]:
    """Every machine, in the order of the specification, and every node without a machine yet."""
    agents = context.store.heartbeats.view()
    waiting: dict[RequestId, list[Machine]] = {}
    for machine in machines:
        waiting.setdefault(machine.request, []).append(machine)

    def of(machine: Machine, request: NodeRequest | None) -> Node:
        seen = agents.get(machine.id)
        late = seen is not None and seen.late
        return node.of_machine(machine, request, NodeFacts(late, prices.get(machine.offering)))

    items: list[Node] = []
    for request in found.spec.nodes:
        mine = waiting.pop(request.id, [])
        items += [of(machine, request) for machine in mine]
        if not found.is_deleting and not any(machine.is_wanted for machine in mine):
            items.append(node.of_request(request, found, found.created_at))
    items += [of(machine, None) for rest in waiting.values() for machine in rest]
    return items
