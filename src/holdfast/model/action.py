"""What a plan consists of: actions that may be done now, and what waits and why."""

from dataclasses import dataclass
from decimal import Decimal

from holdfast.model.ids import MachineId, ResourceName
from holdfast.model.observed import Seen
from holdfast.model.resource import Resource


@dataclass(frozen=True, slots=True)
class Create:
    """Make a thing. `reason` says why it is missing: "new", "replaces a changed one", "healing"."""

    resource: Resource
    reason: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a thing of ours."""

    seen: Seen
    reason: str


@dataclass(frozen=True, slots=True)
class DeleteNode:
    """Remove the Node object of a machine that is gone."""

    node: str
    reason: str


@dataclass(frozen=True, slots=True)
class Drain:
    """Cordon a node and evict what may go now; the rest waits."""

    machine: MachineId
    node: str
    reason: str


@dataclass(frozen=True, slots=True)
class RemoveMember:
    """Have a living control plane take the etcd member of a lost one out."""

    lost: MachineId
    through: MachineId
    reason: str


Action = Create | Delete | DeleteNode | Drain | RemoveMember


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is not done now, and why.

    on_person  nobody but a person can end it
    is_told    its end is told to us, by an agent or by the cluster's API: no need to look often
    """

    subject: str
    reason: str
    on_person: bool = False
    is_told: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """One pass's decision. Actions are independent of each other: order emerges over passes."""

    actions: tuple[Action, ...]
    waiting: tuple[Waiting, ...] = ()

    @property
    def is_settled(self) -> bool:
        """True when there is nothing to do and nothing to wait for."""
        return not self.actions and not self.waiting


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one action. `error` is the ProviderError's class name, empty when done."""

    action: Action
    error: str = ""
    message: str = ""

    @property
    def is_done(self) -> bool:
        """True when the cloud accepted it."""
        return not self.error


@dataclass(frozen=True, slots=True)
class CostLine:
    """One line of a price: so many of a thing at a price per hour, USD."""

    subject: ResourceName | str
    detail: str
    hourly: Decimal
