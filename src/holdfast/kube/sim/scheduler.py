"""Where a pod goes: a small faithful scheduler; pure.

Filters as Kubernetes' defaults do (requests, node selector, taints, cordons, readiness), then
scores: spread over zones, then over nodes, then the emptier node; ties go to the name.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from holdfast.kube.sim.objects import Deployment, Requests, SimNode, SimPod


@dataclass(frozen=True, slots=True)
class _Load:
    used: Requests
    mine: int  # pods of the same deployment


def place(pod: SimPod, nodes: Sequence[SimNode], pods: Iterable[SimPod]) -> str | None:
    """The node's name; None where it fits nowhere."""
    loads = _loads(pod.owner, nodes, pods)
    fitting = [node for node in nodes if _fits(pod.owner, node, loads[node.name])]
    if not fitting:
        return None
    in_zone: dict[str, int] = {}
    for node in nodes:
        in_zone[node.zone] = in_zone.get(node.zone, 0) + loads[node.name].mine
    best = min(
        fitting,
        key=lambda node: (
            in_zone[node.zone],
            loads[node.name].mine,
            loads[node.name].used.milli_cpus / node.room.milli_cpus,
            node.name,
        ),
    )
    return best.name


def _loads(owner: Deployment, nodes: Sequence[SimNode], pods: Iterable[SimPod]) -> dict[str, _Load]:
    cpus = dict.fromkeys((node.name for node in nodes), 0)
    memory, mine = dict(cpus), dict(cpus)
    for pod in pods:
        if pod.node not in cpus:
            continue
        cpus[pod.node] += pod.owner.requests.milli_cpus
        memory[pod.node] += pod.owner.requests.memory_mib
        mine[pod.node] += pod.owner.key == owner.key and not pod.is_leaving
    return {name: _Load(Requests(cpus[name], memory[name]), mine[name]) for name in cpus}


def _fits(owner: Deployment, node: SimNode, load: _Load) -> bool:
    if node.ready is not True or node.is_cordoned or node.taints - owner.tolerates:
        return False
    if any(node.labels.get(key) != value for key, value in owner.selector):
        return False
    wanted = owner.requests
    return (
        load.used.milli_cpus + wanted.milli_cpus <= node.room.milli_cpus
        and load.used.memory_mib + wanted.memory_mib <= node.room.memory_mib
    )
