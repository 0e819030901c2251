"""All that one pass saw: things of ours, foreign things in their way, and what it could not see."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from holdfast.model.ids import ClusterId, InstallationId, MachineId, ProviderId, ResourceName
from holdfast.model.machine import Machine
from holdfast.model.names import cloud_of
from holdfast.model.offering import Cloud
from holdfast.model.resource import Resource, zone_of
from holdfast.model.workload import Node, Pod


class Life(StrEnum):
    """What the cloud says of a thing."""

    PENDING = "pending"  # asked for, not usable yet
    PRESENT = "present"
    LEAVING = "leaving"  # going, still in the way of others: shutting-down, detaching
    GONE = "gone"  # a terminal state that the cloud itself reports: terminated
    FAILED = "failed"  # it will never be usable; `evidence` says why

    @property
    def is_living(self) -> bool:
        """It is there and stays, usable already or not yet."""
        return self in {Life.PENDING, Life.PRESENT}


@dataclass(frozen=True, slots=True)
class Seen:
    """A thing of ours. `resource` is rebuilt from what the cloud answered, so that a field that
    someone changed differs from the desired one.

    `evidence` is the cloud's own code and words for its state, also who ended it where the cloud
    says so; `console` the tail of the console log of a machine that failed.
    """

    resource: Resource
    id: ProviderId
    life: Life
    cluster: ClusterId
    installation: InstallationId
    created_at: datetime | None = None
    private_ip: str | None = None
    public_ip: str | None = None
    evidence: str = ""
    console: str = ""


@dataclass(frozen=True, slots=True)
class Foreign:
    """A thing that is not ours and holds things of ours, so that these cannot go.

    `owner` is what its tags say: "Name=web, team=shop", or "no tags".
    """

    id: ProviderId
    kind: str
    holds: frozenset[ResourceName]
    owner: str
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Blind:
    """A part of the world that could not be read: nothing may be concluded from its absence.

    `kinds` are class names of `resource` ("VirtualMachine"); empty means all. `cloud` None means
    every cloud, an empty `zone` every zone of it and what is in none.
    """

    kinds: frozenset[str]
    reason: str
    error: str = ""  # name of the ProviderError class
    cloud: Cloud | None = None
    zone: str = ""

    def hides(self, resource: Resource) -> bool:
        """True when the listing that failed would show this resource."""
        return self.is_about(cloud_of(resource.name), type(resource).__name__, zone_of(resource))

    def is_about(self, cloud: Cloud, kind: str, zone: str) -> bool:
        """True for things of this kind in this place; `zone` is empty for what is in none."""
        is_kind = not self.kinds or kind in self.kinds
        return is_kind and self.cloud in {None, cloud} and self.zone in {"", zone}


@dataclass(frozen=True, slots=True)
class AgentSeen:
    """What the agent of a machine last said. `late` is True when its heartbeat is overdue."""

    last_heartbeat: datetime
    late: bool


@dataclass(frozen=True, slots=True)
class KubeSeen:
    """The cluster's own API, when it answered. `system_ready` is CoreDNS and the pod network.

    `pods` are those of nodes that are drained, where they could be read.
    """

    nodes: Mapping[str, Node]
    system_ready: bool
    version: str
    pods: Mapping[str, tuple[Pod, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unsure:
    """A thing that was asked for, or was seen before, and is not visible now.

    It may be there: nothing of its kind that a second call would double is made again, and it is
    not judged gone, before the consistency window is over and it was missing in enough readings.
    """

    since: datetime
    readings: int
    calls: int = 0  # create calls made for it so far
    is_young: bool = False  # it was first seen less than a window ago: listings may flicker


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything one pass saw.

    `things` has at most one thing a name; more of the same name are `surplus` and must go.
    `unrecorded` are machines of ours, among `things`, that no record of ours was ever made of: the
    database is older than they are. `kube` is None when the cluster's API did not answer;
    `kube_error` then says why.
    """

    things: Mapping[ResourceName, Seen] = field(default_factory=dict)
    surplus: tuple[Seen, ...] = ()
    foreign: tuple[Foreign, ...] = ()
    unrecorded: tuple[Seen, ...] = ()
    unsure: Mapping[ResourceName, Unsure] = field(default_factory=dict)
    blind: tuple[Blind, ...] = ()
    machines: Mapping[MachineId, Machine] = field(default_factory=dict)
    agents: Mapping[MachineId, AgentSeen] = field(default_factory=dict)
    kube: KubeSeen | None = None
    kube_error: str = ""

    def is_blind_to(self, resource: Resource) -> bool:
        """True when the listing that would show this resource failed."""
        return any(blind.hides(resource) for blind in self.blind)

    def is_blind_at(self, cloud: Cloud, zone: str | None = None) -> bool:
        """True when anything of a cloud could not be read; with a zone: anything that matters
        there, so that another zone's trouble is left out."""
        return any(
            blind.cloud in {None, cloud} and (zone is None or blind.zone in {"", zone})
            for blind in self.blind
        )
