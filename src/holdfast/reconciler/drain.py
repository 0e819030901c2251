"""One step of a drain: evict what may go now; the rest waits for the next pass."""

from holdfast.kube.port import Kube
from holdfast.model.workload import Pod


async def step(kube: Kube, node: str) -> tuple[Pod, ...]:
    """Cordon and evict; returns the pods that a PodDisruptionBudget keeps for now.

    Pods of DaemonSets and of the node itself stay: they end with the machine. Raises
    KubeUnreachable.
    """
    await kube.cordon(node)
    kept = []
    for pod in await kube.pods_on(node):
        if pod.is_daemon or pod.is_mirror or pod.phase in {"Succeeded", "Failed"}:
            continue
        if not await kube.evict(pod):
            kept.append(pod)
    return tuple(kept)
