"""Plans on the wire: what a cluster would be and cost, and what the last pass decided."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import Field

from holdfast.model.action import CostLine
from holdfast.model.offering import HOURS_PER_MONTH, Cloud, Offering
from holdfast.model.spec import NodeRequest
from holdfast.wire.document import Document, MaybeText, Moment
from holdfast.wire.error import FieldViolation, Wrong
from holdfast.wire.node import ROLE_NAMES, NodeRole


class Price(Document):
    """USD; a month is 30 days. Amounts are strings, so that nothing is rounded on the way."""

    currency_code: str = "USD"
    hourly: str
    monthly: str


class CostItem(Document):
    """One line of a price."""

    subject: str
    detail: str
    price: Price


class Cost(Document):
    """What it costs, in total and line by line."""

    total: Price
    lines: list[CostItem]


class PlannedMachine(Document):
    """A requested node and what it would become; no instance type where nothing fits."""

    cloud: Cloud
    role: NodeRole
    shape: str
    instance_type: str | None = None
    zone: str | None = None
    cpus: int | None = None
    memory_mib: int | None = None
    is_spot: bool
    price: Price | None = None


class ClusterPreview(Document):
    """A cluster before it exists. With violations a create would be refused."""

    name: str
    region: str
    kubernetes_version: str
    machines: list[PlannedMachine]
    cost: Cost
    violations: list[FieldViolation]


class PlannedAction(Document):
    """A step of the last pass and what became of it. `error` is absent where it was accepted."""

    action: str
    subject: str
    words: str = ""
    error: MaybeText = None
    message: MaybeText = None


class PlannedWait(Document):
    """What was not done, and why. `on_person` is True when only a person can end it."""

    subject: str
    reason: str
    on_person: bool = False


class IntendedStep(Document):
    """What a cluster that is only observed would do; `hourly` is what it adds in USD per hour."""

    action: str
    subject: str
    words: str = ""
    hourly: str = "0"


class ClusterPlan(Document):
    """The last pass's decision and what the machines cost; without `at` there was no pass yet.

    `intended` is there while the cluster is only observed: what a release would set going.
    """

    at: Moment | None = None
    actions: list[PlannedAction] = Field(default_factory=list)
    waiting: list[PlannedWait] = Field(default_factory=list)
    intended: list[IntendedStep] | None = None
    cost: Cost | None = None


def price(hourly: Decimal) -> Price:
    """An amount per hour, and per month of 30 days."""
    return Price(hourly=f"{hourly:.4f}", monthly=f"{hourly * HOURS_PER_MONTH:.2f}")


def cost(lines: Iterable[CostLine]) -> Cost:
    """Lines and their sum."""
    each = tuple(lines)
    return Cost(
        total=price(sum((line.hourly for line in each), Decimal(0))),
        lines=[
            CostItem(subject=line.subject, detail=line.detail, price=price(line.hourly))
            for line in each
        ],
    )


def planned_machine(request: NodeRequest, offering: Offering | None) -> PlannedMachine:
    """A node that would be made."""
    return PlannedMachine(
        cloud=request.cloud,
        role=ROLE_NAMES[request.role],
        shape=request.shape,
        instance_type=offering.key.instance_type if offering else request.instance_type,
        zone=offering.key.zone if offering else None,
        cpus=offering.size.cpus if offering else None,
        memory_mib=offering.size.memory_mib if offering else None,
        is_spot=request.capacity_type.value == "spot",
        price=price(offering.price) if offering else None,
    )


def violations(wrong: Iterable[Wrong]) -> list[FieldViolation]:
    """Mistakes on the wire."""
    return [FieldViolation(field=one.field, description=one.description) for one in wrong]


def of_pass(stored: Mapping[str, Any] | None, at: datetime | None, now: Cost | None) -> ClusterPlan:
    """The last pass as it was recorded; empty before the first one."""
    return ClusterPlan.model_validate({**(stored or {}), "at": at, "cost": now})
