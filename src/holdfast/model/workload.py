"""Kubernetes' nodes and pods, as far as we need them."""

from dataclasses import dataclass
from datetime import datetime


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
