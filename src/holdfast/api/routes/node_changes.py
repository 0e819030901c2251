"""Nodes of a cluster: added, deleted, replaced, and what that would make and cost."""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Annotated
from uuid import UUID, uuid5

from fastapi import APIRouter, Header, Query

from holdfast.api.auth import ApiContext
from holdfast.api.errors import not_found
from holdfast.api.routes import lookup, node_drafts
from holdfast.api.routes.clusters import ONE
from holdfast.model.cluster import Cluster
from holdfast.model.event import NewEvent
from holdfast.model.ids import MachineId, cluster_key
from holdfast.model.spec import NodeRequest
from holdfast.model.wake import Why
from holdfast.planner import change, cost
from holdfast.planner.change import Parting, Unchangeable
from holdfast.store.database import Tx
from holdfast.wire import node_change as wire
from holdfast.wire import plan
from holdfast.wire.node import NodeList, NodeSpec
from holdfast.wire.node_change import (
    NodeAdded,
    NodeDeleted,
    NodeRemoval,
    NodesPreview,
    NodesReplace,
    NodesUpdate,
)

ASKED = "asked for"
Key = Annotated[str | None, Header(alias="Idempotency-Key")]


def router(context: ApiContext) -> APIRouter:
    """Changes of nodes."""
    routes = APIRouter(tags=["nodes"])
    _one(context, routes)
    _many(context, routes)
    return routes


def _one(context: ApiContext, routes: APIRouter) -> None:
    @routes.post(f"{ONE}/nodes", status_code=201)
    async def add_node(cluster_id: str, node: NodeSpec, idempotency_key: Key = None) -> NodeAdded:
        """Add one node. A repeat with the same Idempotency-Key adds no second one."""
        made = await _changed(context, cluster_id, (node,), (), idempotency_key, path="")
        return NodeAdded(node_id=made[0].id, operation_id=_operation(made[0].id, "add"))

    @routes.delete(f"{ONE}/nodes/{{node_id}}", status_code=201, response_model_exclude_none=True)
    async def delete_node(
        cluster_id: str,
        node_id: str,
        drain_timeout: Annotated[int | None, Query(alias="drainTimeout")] = None,
        force: bool = False,  # noqa: FBT001, FBT002  (a query parameter)
    ) -> NodeDeleted:
        """Have a node leave: its pods first, for `drainTimeout` seconds at most. Repeatable."""
        wanted = lookup.uuid(node_id)
        if wanted is None:
            raise not_found("node", node_id)
        removal = NodeRemoval(id=wanted, drain_timeout=drain_timeout, force=force)
        await _changed(context, cluster_id, (), (removal,), None, path="")
        return NodeDeleted(
            operation_id=_operation(wanted, "delete"), drain_timeout=drain_timeout, force=force
        )


def _many(context: ApiContext, routes: APIRouter) -> None:
    @routes.post(f"{ONE}/nodes:update", response_model_exclude_none=True)
    async def update_nodes(
        cluster_id: str, request: NodesUpdate, idempotency_key: Key = None
    ) -> NodeList:
        """Add and delete nodes: all of it or nothing."""
        add, delete = request.add or (), request.delete or ()
        await _changed(context, cluster_id, add, delete, idempotency_key, path="delete[{}].id")
        return await _listed(context, cluster_id)

    @routes.post(f"{ONE}/nodes:plan", response_model_exclude_none=True)
    async def preview_nodes(cluster_id: str, request: NodesUpdate) -> NodesPreview:
        """What an update with the same body would make, remove and cost."""
        return await _previewed(context, cluster_id, request)

    @routes.post(f"{ONE}/nodes:replace", response_model_exclude_none=True)
    async def replace_nodes(cluster_id: str, request: NodesReplace) -> NodeList:
        """Have nodes get new machines, one after the other, the new one first."""
        wishes = None if request.all else request.nodes or []
        async with context.store.writing() as tx:
            row = await lookup.cluster(context, tx, cluster_id)
            node_drafts.changeable(row)
            machines = await context.store.machines.of_cluster(tx, row.id)
            try:
                told = change.renewed(row.spec, machines, wishes, request.reason or ASKED)
            except Unchangeable as error:
                path = "nodes[{}]" if error.missing else ""
                raise node_drafts.refusal(error, path=path) from error
            await context.store.machines.save(tx, *told)
            events = [_event("ReplacementRequested", m.name, m.replace_reason or "") for m in told]
            await context.store.events.append(tx, row.id, *events)
            await context.store.leases.wake(tx, cluster_key(row.id), Why.USER)
        return await _listed(context, cluster_id)


async def _changed(
    context: ApiContext,
    cluster_id: str,
    add: Sequence[NodeSpec],
    delete: Sequence[NodeRemoval],
    key: str | None,
    path: str,
) -> tuple[NodeRequest, ...]:
    """The nodes that were added, by this request or an equal one before."""
    async with context.store.reading() as tx:
        row = await lookup.cluster(context, tx, cluster_id)
    node_drafts.changeable(row)
    found = await node_drafts.added(context, row, add, _ids(context, row, key))
    node_drafts.possible(found)
    partings = [Parting(each.id.strip().lower(), each.drain_seconds) for each in delete]
    async with context.store.writing() as tx:
        row = await lookup.cluster(context, tx, cluster_id)
        node_drafts.changeable(row)
        new = [node for node in found.nodes if not await _is_known(context, row, node, tx)]
        machines = await context.store.machines.of_cluster(tx, row.id)
        try:
            left = change.parted(row.spec, machines, partings)
        except Unchangeable as error:
            raise node_drafts.refusal(error, path=path) from error
        nodes = (*left.nodes, *new)
        if nodes != row.spec.nodes:
            await context.store.clusters.change_nodes(tx, row.id, nodes)
        await context.store.machines.save(tx, *left.machines)
        events = [_event("NodeRequested", row.spec.name, _words(node)) for node in new]
        events += [
            _event("NodeRemovalRequested", m.name, f"node={m.name} shall go") for m in left.machines
        ]
        await context.store.events.append(tx, row.id, *events)
        await context.store.leases.wake(tx, cluster_key(row.id), Why.USER)
    return found.nodes


def _ids(context: ApiContext, row: Cluster, key: str | None) -> Callable[[], str]:
    """Identities of new nodes; with an idempotency key they follow from it."""
    if key is None:
        return context.chance.uuid
    numbers = count()
    return lambda: str(uuid5(UUID(row.id), f"{key}/{next(numbers)}"))


async def _is_known(context: ApiContext, row: Cluster, node: NodeRequest, tx: Tx) -> bool:
    """It was added before: it is asked for still, or a machine of it was."""
    if any(known.id == node.id for known in row.spec.nodes):
        return True
    return await context.store.machines.get(tx, MachineId(node.id)) is not None


async def _previewed(context: ApiContext, cluster_id: str, request: NodesUpdate) -> NodesPreview:
    async with context.store.reading() as tx:
        row = await lookup.cluster(context, tx, cluster_id)
    node_drafts.changeable(row)
    found = await node_drafts.added(context, row, request.add or (), context.chance.uuid)
    partings = [
        Parting(each.id.strip().lower(), each.drain_seconds) for each in request.delete or ()
    ]
    async with context.store.reading() as tx:
        machines = await context.store.machines.of_cluster(tx, row.id)
        regions = await node_drafts.known_regions(context, tx, row)
        shown = await lookup.nodes(context, tx, row)
    try:
        going = change.parted(row.spec, machines, partings).machines
    except Unchangeable as error:
        raise node_drafts.refusal(error, path="delete[{}].id") from error
    ids = {machine.id for machine in going}
    lines = [
        (line.hourly, machine.id in ids)
        for machine in machines
        if machine.offering.cloud in regions
        for line in cost.of_machines(regions[machine.offering.cloud], [machine])
    ]
    return NodesPreview(
        add=[plan.planned_machine(m.request, m.offering) for m in found.preview.machines],
        delete=[node for node in shown if node.id in ids],
        cost=wire.cost_change(
            [hourly for hourly, _ in lines],
            [hourly for hourly, goes in lines if goes],
            [line.hourly for line in found.preview.lines],
        ),
        violations=plan.violations(node_drafts.wrong(found)),
    )


async def _listed(context: ApiContext, cluster_id: str) -> NodeList:
    async with context.store.reading() as tx:
        row = await lookup.cluster(context, tx, cluster_id)
        return NodeList(items=await lookup.nodes(context, tx, row))


def _operation(node: str, verb: str) -> str:
    """v1's operation of a change; the same for a repeat of it."""
    return str(uuid5(UUID(node), verb))


def _words(node: NodeRequest) -> str:
    wanted = node.instance_type or node.shape.value
    return f"{node.role.value} {wanted} {node.capacity_type.value} in {node.cloud.value}"


def _event(reason: str, subject: str, words: str) -> NewEvent:
    return NewEvent(reason, f"[Cluster] {words}", subject)
