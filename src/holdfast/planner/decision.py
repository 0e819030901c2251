"""One pass's whole decision: things in the clouds, members of etcd, nodes of Kubernetes."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from holdfast.model.action import Action, DeleteNode, Drain, Plan, Waiting
from holdfast.model.cluster import Cluster
from holdfast.model.ids import MachineId
from holdfast.model.machine import Machine, Stage
from holdfast.model.observed import Blind, Life, Observed
from holdfast.planner import control_plane, desired, leaving
from holdfast.planner.plan import plan
from holdfast.planner.rollout import rollout
from holdfast.planner.rules import Rules


def decide(
    cluster: Cluster,
    machines: Mapping[MachineId, Machine],
    observed: Observed,
    rules: Rules,
    now: datetime,
    held_back: Iterable[Waiting] = (),
) -> Plan:
    """What may be done now and what waits. `machines` and `observed.machines` MUST be the same.

    `held_back` is what breakers keep from being healed.
    """
    holder = control_plane.endpoint_holder(observed, desired.endpoint_cloud(cluster.spec))
    things = plan(desired.resources(cluster, machines, holder), observed, rules, now)
    if cluster.is_deleting:
        return things
    steps = [
        *control_plane.removals(observed),
        *_nodes(machines, observed),
        *_coming(machines, observed),
        *held_back,
    ]
    steps += leaving.steps(machines, observed, rules, now)
    steps += rollout(cluster.spec, machines, observed, rules).waiting
    steps += [
        Waiting(blind_words(blind), f"not visible: {blind.reason}") for blind in observed.blind
    ]
    actions: list[Action] = [step for step in steps if not isinstance(step, Waiting)]
    waiting = [step for step in steps if isinstance(step, Waiting)]
    if observed.kube and not observed.kube.system_ready and not _unready(machines):
        waiting.append(Waiting("cluster", "CoreDNS or the pod network is not ready yet"))
    return Plan((*things.actions, *actions), (*things.waiting, *waiting))


def blind_words(blind: Blind) -> str:
    """What could not be listed, in words: "VirtualMachine in eu-central-1a of aws"."""
    where = f" in {blind.zone}" if blind.zone else ""
    whose = f" of {blind.cloud.value}" if blind.cloud else ""
    return (", ".join(sorted(blind.kinds)) or "everything") + where + whose


def _nodes(machines: Mapping[MachineId, Machine], observed: Observed) -> Iterable[Action | Waiting]:
    """Node objects of lost machines go; nodes of announced losses are drained by deadline."""
    if observed.kube is None:
        return
    living = {machine.name for machine in machines.values() if machine.is_wanted}
    for machine in machines.values():
        node = observed.kube.nodes.get(machine.name)
        if node is None:
            continue
        seen = observed.things.get(machine.resource)
        ended = seen is None or seen.life in {Life.LEAVING, Life.GONE}
        if not machine.is_wanted and ended and machine.name not in living:
            yield DeleteNode(machine.name, machine.written_off_reason or "its machine is gone")
        elif _is_taken(machine):
            yield Drain(machine.id, machine.name, "the cloud announced its end")


def _is_taken(machine: Machine) -> bool:
    return machine.is_wanted and machine.interrupted_at is not None and machine.leaving_at is None


def _coming(machines: Mapping[MachineId, Machine], observed: Observed) -> Iterable[Waiting]:
    """Agents tell what they did; a node that becomes Ready is told once the API is watched."""
    words = {
        Stage.LAUNCHED: "booting; its agent has not called yet",
        Stage.REGISTERED: "its agent waits until it may join",
        Stage.JOINING: "joining",
        Stage.INITIALIZED: "joined; its node is not Ready",
    }
    for machine in _unready(machines):
        if machine.stage in words:
            is_told = machine.stage is not Stage.INITIALIZED or observed.kube is not None
            yield Waiting(machine.name, words[machine.stage], is_told=is_told)


def _unready(machines: Mapping[MachineId, Machine]) -> list[Machine]:
    return [
        m for m in machines.values() if m.is_wanted and m.leaving_at is None and m.ready_at is None
    ]
