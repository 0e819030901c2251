"""What we report of a cluster: v1's phase, and conditions as in Kubernetes, one writer each."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ClusterPhase(StrEnum):
    """v1's cluster status. No other values may appear: published clients fail on them."""

    CREATING = "creating"
    READY = "ready"
    WARNING = "warning"
    FAILED = "failed"
    PAUSING = "pausing"
    PAUSED = "paused"
    RESUMING = "resuming"
    DELETING = "deleting"
    DELETED = "deleted"


class NodePhase(StrEnum):
    """v1's node phase."""

    PENDING = "pending"
    CREATING = "creating"
    READY = "ready"
    NOT_READY = "notReady"
    DRAINING = "draining"
    DELETING = "deleting"
    DELETED = "deleted"
    UNKNOWN = "unknown"


class ConditionType(StrEnum):
    """What a condition is about. True is the good or normal state for every type."""

    NETWORK_READY = "NetworkReady"
    CONTROL_PLANE_READY = "ControlPlaneReady"
    WORKERS_READY = "WorkersReady"
    CLOUD_REACHABLE = "CloudReachable"  # False: blind or refused; the message says which and why
    CREDENTIALS_VALID = "CredentialsValid"
    BREAKER_CLOSED = "BreakerClosed"
    RELEASED = "Released"  # False: observe-only, a person must release it before anything is done
    UNBLOCKED = "Unblocked"  # False: something foreign is in the way; the message names it


@dataclass(frozen=True, slots=True)
class Condition:
    """One fact. `since` is when `status` last changed; `reason` is one CamelCase word."""

    type: ConditionType
    status: bool
    reason: str
    message: str
    since: datetime
