"""What exists in a simulated cloud: things, their versions, and how long each state lasts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from holdfast.model import names
from holdfast.model.ids import ClusterId, InstallationId, ProviderId, ResourceName
from holdfast.model.observed import Life, Seen
from holdfast.model.resource import Resource, VirtualMachine

KEPT = 8  # versions of a thing that stale answers may reach back to

Place = tuple[str, ...]  # what only one thing may hold: ("route", "rtb-1")
Tags = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a thing is, by its tags; one of these is also an intent: at most one thing lives."""

    installation: InstallationId
    cluster: ClusterId
    name: ResourceName


@dataclass(frozen=True, slots=True)
class Thing:
    """One version of a thing, as the cloud itself knows it.

    kind      class name of the resource, or a stranger's word: "network interface"
    resource  None for a thing that no client of ours asked for
    owner     None for a thing without our tags
    tags      those that are not ours
    refs      ids of the things that it cannot exist without
    """

    id: ProviderId
    kind: str
    resource: Resource | None
    owner: Owner | None
    tags: Tags
    life: Life
    refs: tuple[ProviderId, ...]
    created_at: datetime
    zone: str = ""
    private_ip: str | None = None
    public_ip: str | None = None
    evidence: str = ""

    @property
    def is_alive(self) -> bool:
        """It bills and is in the way of others until its terminal state."""
        return self.life is not Life.GONE

    @property
    def machine_type(self) -> tuple[str, str]:
        """(instance type, capacity type) of a machine, empty for others."""
        if not isinstance(self.resource, VirtualMachine):
            return "", ""
        return self.resource.offering.instance_type, self.resource.offering.capacity_type.value

    def seen(self) -> Seen | None:
        """As the port shows it; None for what is not ours."""
        if self.owner is None or self.resource is None:
            return None
        return Seen(
            resource=self.resource,
            id=self.id,
            life=self.life,
            cluster=self.owner.cluster,
            installation=self.owner.installation,
            created_at=self.created_at,
            private_ip=self.private_ip,
            public_ip=self.public_ip,
            evidence=self.evidence,
        )


def all_tags(thing: Thing) -> dict[str, str]:
    """Every tag of a thing: others' first, ours last."""
    if thing.owner is None:
        return dict(thing.tags)
    owner = thing.owner
    return names.tags(owner.installation, owner.cluster, owner.name, dict(thing.tags))


def words(thing: Thing) -> str:
    """What its tags say of its owner, for people."""
    return ", ".join(f"{key}={value}" for key, value in sorted(all_tags(thing).items())[:5]) or (
        "no tags"
    )


@dataclass(slots=True)
class Version:
    """A state of a thing: true from `at`, shown by listings from `visible_at` (virtual seconds).

    `thing` is None once it no longer exists; `shown` is what the port would answer.
    """

    thing: Thing | None
    at: float
    visible_at: float
    shown: Seen | None


@dataclass(slots=True)
class History:
    """All that is kept of one thing: its last versions, its places, what it uses of quotas."""

    id: ProviderId
    kind: str
    places: tuple[Place, ...] = ()
    units: tuple[tuple[str, int], ...] = ()  # (quota code, amount)
    versions: list[Version] = field(default_factory=list)

    @property
    def thing(self) -> Thing | None:
        """The truth; None once it no longer exists."""
        return self.versions[-1].thing if self.versions else None

    def add(self, version: Version) -> None:
        """A new truth."""
        self.versions.append(version)
        if len(self.versions) > KEPT:
            del self.versions[0]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a cloud takes, in seconds; pairs are drawn from, one draw a thing.

    runs      from the accepted request to a running machine
    ends      from the accepted request to the end of a machine
    comes     until another thing can be used; 0 is at once
    goes      until another thing is gone; 0 is at once
    lingers   how long a machine that ended is still listed
    """

    runs: tuple[float, float] = (10.0, 40.0)
    ends: tuple[float, float] = (15.0, 45.0)
    comes: tuple[float, float] = (0.0, 0.0)
    goes: tuple[float, float] = (0.0, 0.0)
    lingers: float = 0.0


# Memberships that go with what they are part of: (the one that is deleted, the part).
# Source: AWS EC2 (DeleteSecurityGroup, DeleteRouteTable, DeleteSubnet, TerminateInstances).
TAKEN_ALONG: Mapping[str, tuple[str, ...]] = {
    "FirewallGroup": ("FirewallRule",),
    "RouteTable": ("Route",),
    "Subnet": ("RouteAssociation",),
    "VirtualMachine": ("AddressBinding", "ChallengeTag"),
}
