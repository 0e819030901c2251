"""The installation on the wire: does it act, and what would a release set going."""

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from holdfast.wire.document import Document, Moment
from holdfast.wire.plan import IntendedStep, Price, price


class Mode(StrEnum):
    """`observeOnly`: passes look and plan, and nothing leaves the platform."""

    ACTIVE = "active"
    OBSERVE_ONLY = "observeOnly"


class HeldCluster(Document):
    """A cluster that waits for its release. `seenAt` is absent before its first pass.

    `added` is what the steps add to the price; it is negative where they save.
    """

    id: str
    name: str
    seen_at: Moment | None = None
    steps: list[IntendedStep]
    added: Price


class OrphanThing(Document):
    """A thing with our installation's tag that no cluster of our records has; never touched."""

    id: str
    kind: str
    name: str
    cluster_id: str
    region: str
    made_at: Moment | None = None
    first_seen_at: Moment


class Installation(Document):
    """`since` and `reason` are there while it only observes."""

    id: str
    mode: Mode
    since: Moment | None = None
    reason: str | None = None
    waiting: list[HeldCluster] = Field(default_factory=list)
    orphans: list[OrphanThing] = Field(default_factory=list)


class ReleaseRequest(Document):
    """The clusters to release, by id; without the list all of them and the installation."""

    clusters: list[str] | None = None


def added(steps: Iterable[IntendedStep]) -> Price:
    """The sum of what the steps add."""
    return price(sum((Decimal(step.hourly) for step in steps), Decimal(0)))
