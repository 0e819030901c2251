"""A machine: the saved intent to have it, and what became of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from holdfast.model import names
from holdfast.model.ids import ClusterId, MachineId, ProviderId, RequestId, ResourceName
from holdfast.model.offering import OfferingKey
from holdfast.model.resource import Role


class Stage(StrEnum):
    """Where a machine is in its life; derived from its facts, never stored."""

    CHOSEN = "chosen"  # saved, the cloud was not asked or has not shown it yet
    LAUNCHED = "launched"  # the cloud shows it
    REGISTERED = "registered"  # its agent proved who it is
    JOINING = "joining"  # it was told what to be and is becoming it
    INITIALIZED = "initialized"  # kubeadm is done
    READY = "ready"  # its node is Ready
    LEAVING = "leaving"  # it shall go, and its pods leave it first
    DELETING = "deleting"  # written off: never comes back
    GONE = "gone"  # the cloud no longer has it


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine. The first block is chosen and saved before the cloud is asked.

    The second block is facts, each written when it is seen to be true. `ready_at` is since when
    its node is Ready, and None while it is not; all others stay.

    The third block is how it goes while it lives. `drain_seconds` and `replace_reason` are what a
    user said of it; the rest is the planner's.
    """

    id: MachineId
    cluster: ClusterId
    request: RequestId
    name: str
    role: Role
    offering: OfferingKey
    image: str
    disk_gib: int
    kubernetes_version: str
    attempt: int
    token: str
    nonce_hash: str
    chosen_at: datetime

    provider_id: ProviderId | None = None
    private_ip: str | None = None
    public_ip: str | None = None
    launched_at: datetime | None = None
    registered_at: datetime | None = None
    joining_at: datetime | None = None
    joined_at: datetime | None = None
    ready_at: datetime | None = None
    interrupted_at: datetime | None = None  # the cloud announced its end (spot)
    written_off_at: datetime | None = None
    written_off_reason: str | None = None
    member_removed_at: datetime | None = None  # its etcd member is out, or never was in
    gone_at: datetime | None = None

    drain_seconds: int | None = None  # how long its pods may take; None: as the rules say
    replace_reason: str | None = None  # why a user wants another one in its place
    replace_stopped: str | None = None  # why no further one is tried: the last one failed
    leaving_at: datetime | None = None
    leaving_reason: str | None = None
    drained_at: datetime | None = None  # a control plane's: its etcd member may be taken out

    @property
    def resource(self) -> ResourceName:
        """The name of its virtual machine among the cluster's resources."""
        return names.machine(self.offering.cloud, self.id)

    @property
    def stage(self) -> Stage:
        """The latest stage whose fact is known."""
        facts = (
            (self.gone_at, Stage.GONE),
            (self.written_off_at, Stage.DELETING),
            (self.leaving_at, Stage.LEAVING),
            (self.ready_at, Stage.READY),
            (self.joined_at, Stage.INITIALIZED),
            (self.joining_at, Stage.JOINING),
            (self.registered_at, Stage.REGISTERED),
            (self.launched_at, Stage.LAUNCHED),
        )
        return next((stage for fact, stage in facts if fact is not None), Stage.CHOSEN)

    @property
    def is_wanted(self) -> bool:
        """False once it was written off: then it only has to go."""
        return self.written_off_at is None and self.gone_at is None

    @property
    def is_staying(self) -> bool:
        """True while nothing ends it: it is wanted, does not leave and the cloud keeps it."""
        return self.is_wanted and self.leaving_at is None and self.interrupted_at is None
