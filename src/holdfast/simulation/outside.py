"""What outlives every process of the platform: time, the disk, the clouds, the clusters."""

from collections.abc import Callable
from dataclasses import dataclass, field

from holdfast.clock import Clock
from holdfast.kube.port import Kube, KubeAccess
from holdfast.planner.rules import Rules
from holdfast.providers.sim.provider import Care
from holdfast.providers.sim.world import World as Clouds
from holdfast.simulation.disk import Disk
from holdfast.simulation.effects import Hub

CONCURRENCY = 20


@dataclass(frozen=True, slots=True)
class Outside:
    """What outlives every process: time, the disk, the clouds, the clusters."""

    clock: Clock
    hub: Hub
    disk: Disk
    clouds: Clouds
    kube: Callable[[KubeAccess], Kube]
    rules: Rules
    vault_key: bytes
    concurrency: int = CONCURRENCY
    alone: bool = True
    care: Care = field(default_factory=Care)
