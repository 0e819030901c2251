"""Kubernetes' nodes and pods, as far as we need them."""

from dataclasses import dataclass
from datetime import datetime

ENDED = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True)
class Node:
    """A Node object. `ready` is None while kubelet's state is Unknown."""

    name: str
    uid: str
    ready: bool | None
    ready_since: datetime | None
    unschedulable: bool
    provider_id: str | None
    internal_ip: str | None
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod on a node."""

    namespace: str
    name: str
    node: str | None
    phase: str
    is_daemon: bool
    is_mirror: bool
    is_leaving: bool = False  # it was told to end and takes its grace period

    @property
    def ends_with_node(self) -> bool:
        """It is of the node itself or has ended: no drain waits for it."""
        return self.is_daemon or self.is_mirror or self.phase in ENDED
