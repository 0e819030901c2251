"""One step of a drain: evict what may go now; the rest waits for the next pass."""

from dataclasses import dataclass

from holdfast.kube.port import Kube
from holdfast.model.workload import Pod


@dataclass(frozen=True, slots=True)
class Drained:
    """What was asked to go now, what ends already, and what a PodDisruptionBudget keeps."""

    evicted: tuple[Pod, ...]
    ending: tuple[Pod, ...]
    kept: tuple[Pod, ...]


async def step(kube: Kube, node: str) -> Drained:
    """Cordon and evict what may go. Raises KubeUnreachable.

    Pods of DaemonSets and of the node itself stay: they end with the machine. One that was told
    to end before takes its time and is not told again.
    """
    await kube.cordon(node)
    evicted, ending, kept = [], [], []
    for pod in await kube.pods_on(node):
        if pod.ends_with_node:
            continue
        if pod.is_leaving:
            ending.append(pod)
        elif await kube.evict(pod):
            evicted.append(pod)
        else:
            kept.append(pod)
    return Drained(tuple(evicted), tuple(ending), tuple(kept))
