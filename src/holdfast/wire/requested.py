"""The nodes of a create request: a preset or one by one, with every mistake named."""

from collections.abc import Callable, Mapping, Sequence

from holdfast.model.ids import RequestId
from holdfast.model.offering import SHAPES, CapacityType, Cloud, Shape, Size
from holdfast.model.resource import Role
from holdfast.model.spec import PRESETS, NodeRequest, Preset
from holdfast.wire.cluster import ClusterRequest
from holdfast.wire.error import Wrong
from holdfast.wire.known import Known, Place
from holdfast.wire.node import ROLES, NodeSpec

MOST_NODES = 500


def nodes(
    request: ClusterRequest,
    places: Mapping[Cloud, Place],
    known: Known,
    new_id: Callable[[], str],
) -> tuple[list[NodeRequest], list[Wrong]]:
    """The nodes of a request, from its preset or one by one, and what is wrong with them."""
    if request.preset is not None and request.nodes:
        return [], [Wrong("preset", "give either preset or nodes, not both")]
    if request.preset is not None:
        return _of_preset(request.preset, tuple(places), new_id)
    if not request.nodes:
        return [], [Wrong("nodes", "required: the first nodes, control plane included")]
    if len(request.nodes) > MOST_NODES:
        return [], [Wrong("nodes", f"{len(request.nodes)} nodes; at most {MOST_NODES}")]
    return each(request.nodes, "nodes", places, known, new_id)


def each(
    specs: Sequence[NodeSpec],
    field: str,
    places: Mapping[Cloud, Place],
    known: Known,
    new_id: Callable[[], str],
) -> tuple[list[NodeRequest], list[Wrong]]:
    """Nodes one by one, and what is wrong with them; `field` is the path of their list."""
    made, wrong = [], []
    for index, node in enumerate(specs):
        found = _wrong_node(node, f"{field}[{index}]", places, known)
        wrong += found
        if not found:
            made.append(_node(node, known, new_id))
    return made, wrong


def _of_preset(
    text: str, clouds: tuple[Cloud, ...], new_id: Callable[[], str]
) -> tuple[list[NodeRequest], list[Wrong]]:
    if text not in set(Preset):
        offered = ", ".join(Preset)
        return [], [Wrong("preset", f"{text!r} is unknown; there is {offered}")]
    if not clouds:
        return [], []
    return [
        NodeRequest(RequestId(new_id()), role, clouds[index % len(clouds)], shape)
        for role, shape, count in PRESETS[Preset(text)]
        for index in range(count)
    ], []


def _wrong_node(
    node: NodeSpec, path: str, places: Mapping[Cloud, Place], known: Known
) -> list[Wrong]:
    wrong = []
    if places and node.cloud not in places:
        wrong.append(Wrong(f"{path}.cloud", f"no credentials of {node.cloud.value} are listed"))
    if node.spot_config is not None and node.spot_config.price is not None:
        reason = "a highest bid is not available; spot machines are bought at the market price"
        wrong.append(Wrong(f"{path}.spotConfig.price", reason))
    sold = known.sizes(node.cloud)
    if node.instance_type is not None:
        if node.cloud in known.catalogues and node.instance_type not in sold:
            wrong.append(Wrong(f"{path}.instanceType", _not_sold(node.instance_type, node, known)))
    elif node.shape is None:
        wrong.append(Wrong(f"{path}.shape", "give a shape or an instanceType"))
    elif node.shape not in set(Shape) and node.shape not in sold:
        wrong.append(Wrong(f"{path}.shape", _not_a_shape(node.shape)))
    return wrong


def _not_sold(instance_type: str, node: NodeSpec, known: Known) -> str:
    region = known.catalogues[node.cloud].name
    return f"{node.cloud.value} sells no {instance_type!r} in {region}"


def _not_a_shape(text: str) -> str:
    return f"{text!r} is no shape ({', '.join(Shape)}) and no instance type sold in this region"


def _node(node: NodeSpec, known: Known, new_id: Callable[[], str]) -> NodeRequest:
    spot = node.spot_config is not None and node.spot_config.is_spot
    named = node.instance_type or (node.shape if node.shape not in set(Shape) else None)
    size = known.sizes(node.cloud).get(named or "")
    return NodeRequest(
        id=RequestId(new_id()),
        role=ROLES[node.role],
        cloud=node.cloud,
        shape=Shape(node.shape) if node.shape in set(Shape) else nearest(size),
        instance_type=named,
        capacity_type=CapacityType.SPOT if spot else CapacityType.ON_DEMAND,
    )


def nearest(size: Size | None) -> Shape:
    """The largest shape that fits into a size; the smallest one when none does.

    Without a size (nothing is known of the type) it is `medium`.
    """
    if size is None:
        return Shape.MEDIUM
    fitting = [
        shape
        for shape, own in SHAPES.items()
        if own.cpus <= size.cpus and own.memory_mib <= size.memory_mib
    ]
    return fitting[-1] if fitting else Shape.X_SMALL


def composition(nodes: list[NodeRequest], places: Mapping[Cloud, Place]) -> list[Wrong]:
    """What is wrong with nodes that are each right."""
    wrong = []
    if not any(node.role is Role.CONTROL_PLANE for node in nodes):
        wrong.append(Wrong("nodes", "no control plane: at least one node needs role master"))
    used = {node.cloud for node in nodes}
    wrong += [
        Wrong(f"cloudCredentialsIDs[{index}]", f"no node uses {cloud.value}")
        for index, cloud in enumerate(places)
        if cloud not in used
    ]
    return wrong
