"""What it means that a user takes nodes out or wants them replaced: which rows change, what can't.

A node is meant by the id of its machine, or by that of its request, which stays the same when the
machine is replaced.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from holdfast.model.ids import MachineId, RequestId
from holdfast.model.machine import Machine
from holdfast.model.resource import Role
from holdfast.model.spec import ClusterSpec, NodeRequest

LONGEST_DRAIN = 24 * 3600  # seconds


class Unchangeable(ValueError):
    """The cluster can't be changed like that. `index` is which of the wishes; `missing`: no node.

    The text names the node and says what to do.
    """

    def __init__(self, index: int, text: str, *, missing: bool = False) -> None:
        super().__init__(text)
        self.index = index
        self.missing = missing


@dataclass(frozen=True, slots=True)
class Parting:
    """A node that shall go. `drain_seconds`: how long its pods may take; None: as the rules say."""

    id: str
    drain_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Parted:
    """The nodes that stay, and the machines that go, with what the user said of them."""

    nodes: tuple[NodeRequest, ...]
    machines: tuple[Machine, ...]


def parted(spec: ClusterSpec, machines: Iterable[Machine], wishes: Sequence[Parting]) -> Parted:
    """The cluster without some nodes; one that leaves already only gets its new drain time.

    Raises Unchangeable.
    """
    known = {machine.id: machine for machine in machines}
    taken: set[RequestId] = set()
    told: dict[MachineId, Machine] = {}
    for index, wish in enumerate(wishes):
        _check_seconds(index, wish)
        mine = _meant(index, wish.id, spec, known)
        leaves = mine.machine is not None and mine.machine.leaving_at is not None
        if mine.request is not None and not leaves:
            if mine.request.id in taken:
                raise Unchangeable(index, f"node {wish.id} is named twice")
            taken.add(mine.request.id)
        for machine in [mine.machine] if leaves and mine.machine else mine.all:
            told[machine.id] = replace(machine, drain_seconds=wish.drain_seconds)
    nodes = tuple(node for node in spec.nodes if node.id not in taken)
    if taken and not any(node.role is Role.CONTROL_PLANE for node in nodes):
        raise Unchangeable(0, "the last control plane can't go; delete the cluster instead")
    return Parted(nodes, tuple(told.values()))


def renewed(
    spec: ClusterSpec, machines: Iterable[Machine], wishes: Sequence[str] | None, reason: str
) -> list[Machine]:
    """Machines that shall be replaced: those of the wishes, all with None. Raises Unchangeable."""
    known = {machine.id: machine for machine in machines}
    asked = [node.id for node in spec.nodes] if wishes is None else wishes
    lone = sum(node.role is Role.CONTROL_PLANE for node in spec.nodes) == 1
    told = []
    for index, wish in enumerate(asked):
        mine = _meant(index, wish, spec, known)
        living = [m for m in mine.all if m.is_staying]
        if not living or mine.request is None:
            if wishes is None:
                continue
            raise Unchangeable(index, f"node {wish} has no machine that stays; nothing to replace")
        if lone and living[0].role is Role.CONTROL_PLANE:
            if wishes is None:
                continue
            text = f"{living[0].name} is the only control plane: add two more before"
            raise Unchangeable(index, text)
        told.append(replace(living[0], replace_reason=reason, replace_stopped=None))
    return told


@dataclass(frozen=True, slots=True)
class _Meant:
    """What an id stands for. `machine` is None when the request was named."""

    request: NodeRequest | None
    machine: Machine | None
    all: tuple[Machine, ...]  # of the request, those that still exist


def _meant(index: int, text: str, spec: ClusterSpec, known: Mapping[MachineId, Machine]) -> _Meant:
    machine = known.get(MachineId(text))
    if machine is not None and not machine.is_wanted:
        raise Unchangeable(index, f"node {machine.name} is going already", missing=True)
    wanted = machine.request if machine is not None else RequestId(text)
    request = next((node for node in spec.nodes if node.id == wanted), None)
    if machine is None and request is None:
        raise Unchangeable(index, f"node {text!r} not found", missing=True)
    mine = tuple(m for m in known.values() if m.request == wanted and m.is_wanted)
    return _Meant(request, machine, mine)


def _check_seconds(index: int, wish: Parting) -> None:
    if wish.drain_seconds is not None and not 0 <= wish.drain_seconds <= LONGEST_DRAIN:
        text = f"a drain time of {wish.drain_seconds} s; 0 to {LONGEST_DRAIN} are possible"
        raise Unchangeable(index, text)
