"""The port to one cluster's API server. Every call has a deadline; none waits for a cluster."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from holdfast.model.observed import KubeSeen
from holdfast.model.workload import Pod


class KubeUnreachable(Exception):
    """The API server did not answer in time, or not as an API server should."""


@dataclass(frozen=True, slots=True)
class KubeAccess:
    """How to reach one cluster. `proxy` is the URL of a CONNECT proxy, empty for none."""

    url: str
    ca_pem: str
    certificate_pem: str
    key_pem: str
    proxy: str = ""


class Kube(Protocol):
    """One cluster. Every method raises KubeUnreachable and nothing else."""

    async def look(self) -> KubeSeen:
        """Nodes, and whether CoreDNS and the pod network are ready."""
        ...

    async def delete_node(self, name: str) -> None:
        """Remove a Node object. MUST accept one that is gone already."""
        ...

    async def cordon(self, name: str) -> None:
        """Make a node unschedulable. MUST accept one that is gone."""
        ...

    async def pods_on(self, node: str) -> tuple[Pod, ...]:
        """All pods bound to a node."""
        ...

    async def evict(self, pod: Pod) -> bool:
        """Ask for an eviction. False: a PodDisruptionBudget forbids it now."""
        ...

    def changes(self) -> AsyncIterator[str]:
        """Names of nodes as they change, until the connection ends."""
        ...

    async def close(self) -> None:
        """Drop connections."""
        ...
