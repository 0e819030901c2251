"""Changes of a cluster's nodes on the wire: added, deleted, replaced, and what that would cost."""

from collections.abc import Iterable
from decimal import Decimal

from pydantic import AliasChoices, Field

from holdfast.wire.document import Document, MaybeText
from holdfast.wire.error import FieldViolation
from holdfast.wire.node import Node, NodeSpec
from holdfast.wire.plan import PlannedMachine, Price, price

DRAIN = AliasChoices("drainTimeout", "drain_timeout")  # v1 writes both


class NodeAdded(Document):
    """v1's answer to an added node."""

    node_id: str
    operation_id: str


class NodeDeleted(Document):
    """v1's answer to a deleted node. `drain_timeout` is in seconds."""

    operation_id: str
    drain_timeout: int | None = None
    force: bool | None = None


class NodeRemoval(Document):
    """A node that shall go. `force`: without waiting for its pods."""

    id: str
    drain_timeout: int | None = Field(default=None, validation_alias=DRAIN)
    force: bool = False

    @property
    def drain_seconds(self) -> int | None:
        """How long its pods may take; None leaves it to the platform."""
        return 0 if self.force else self.drain_timeout


class NodesUpdate(Document):
    """Nodes to add and to delete, all or none of them."""

    add: list[NodeSpec] | None = None
    delete: list[NodeRemoval] | None = None


class NodesReplace(Document):
    """Nodes that shall get a new machine, or `all` of them. `reason` is for people."""

    nodes: list[str] | None = None
    all: bool = False
    reason: MaybeText = None


class CostChange(Document):
    """USD before and after a change, and the difference."""

    before: Price
    after: Price
    change: Price


class NodesPreview(Document):
    """What a change would make, remove and cost. With violations it would be refused."""

    add: list[PlannedMachine]
    delete: list[Node]
    cost: CostChange
    violations: list[FieldViolation]


def cost_change(
    before: Iterable[Decimal], gone: Iterable[Decimal], new: Iterable[Decimal]
) -> CostChange:
    """Prices per hour of what is there, and of what goes and comes."""
    was = sum(before, Decimal(0))
    change = sum(new, Decimal(0)) - sum(gone, Decimal(0))
    return CostChange(before=price(was), after=price(was + change), change=price(change))
