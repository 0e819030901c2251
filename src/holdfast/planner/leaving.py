"""Machines that leave while they live: cordon, drain until the deadline, then they go.

A control plane goes in one step more: its etcd member is taken out while it lives, so that the
quorum is never counted with a member that is gone. Force and deadline end the wait for pods, never
the wait for the quorum.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from holdfast.model.action import Drain, Waiting
from holdfast.model.ids import MachineId
from holdfast.model.machine import Machine
from holdfast.model.observed import Observed
from holdfast.model.resource import Role
from holdfast.planner.control_plane import bound_to, has_quorum, living_members, lost_members
from holdfast.planner.rules import Rules

Machines = Mapping[MachineId, Machine]


def leave(machine: Machine, reason: str, now: datetime) -> Machine:
    """It shall go. One that never joined carries nothing and is written off at once."""
    if machine.joined_at is None:
        return replace(machine, written_off_at=now, written_off_reason=reason)
    return replace(machine, leaving_at=now, leaving_reason=reason)


def deadline(machine: Machine, rules: Rules) -> datetime | None:
    """Until when its pods may take; None while it does not leave."""
    if machine.leaving_at is None:
        return None
    given = machine.drain_seconds
    wait = rules.drain_deadline if given is None else timedelta(seconds=given)
    return machine.leaving_at + wait


def departed(machines: Machines, observed: Observed, rules: Rules, now: datetime) -> list[Machine]:
    """Machines whose leaving goes a step on: written off, or their etcd member may be taken out."""
    changed = []
    for machine in _leaving(machines):
        if machine.drained_at is not None:
            if machine.member_removed_at is not None:
                changed.append(_written_off(machine, now))
        elif why_stays({**machines, **{m.id: m for m in changed}}, machine, observed, rules, now):
            continue
        elif machine.role is Role.CONTROL_PLANE:
            changed.append(replace(machine, drained_at=now))
        else:
            changed.append(_written_off(machine, now))
    return changed


def why_stays(
    machines: Machines, machine: Machine, observed: Observed, rules: Rules, now: datetime
) -> str:
    """What a machine that leaves is still waiting for; empty when it may go."""
    if observed.is_blind_at(machine.offering.cloud):
        return "it leaves when everything is visible again"
    pods = _why_drained(machine, observed, rules, now)
    if pods or machine.role is Role.WORKER:
        return pods
    return _why_member(machine, machines, observed)


def steps(
    machines: Machines, observed: Observed, rules: Rules, now: datetime
) -> Iterable[Drain | Waiting]:
    """What is done for machines that leave now, and what they wait for."""
    for machine in _leaving(machines):
        if machine.drained_at is not None:
            yield Waiting(machine.name, "its etcd member is taken out before it goes")
        elif _has_pods(machine, observed) and not _is_over(machine, rules, now):
            yield Drain(machine.id, machine.name, _drain_words(machine, rules))
        elif why := why_stays(machines, machine, observed, rules, now):
            yield Waiting(machine.name, f"it leaves: {why}")


def _leaving(machines: Machines) -> list[Machine]:
    return [m for m in machines.values() if m.is_wanted and m.leaving_at is not None]


def _written_off(machine: Machine, now: datetime) -> Machine:
    return replace(machine, written_off_at=now, written_off_reason=machine.leaving_reason)


def _is_over(machine: Machine, rules: Rules, now: datetime) -> bool:
    until = deadline(machine, rules)
    return until is not None and now >= until


def _drain_words(machine: Machine, rules: Rules) -> str:
    until = deadline(machine, rules)
    return f"{machine.leaving_reason}; until {until:%H:%M:%S} UTC at most"


def _has_pods(machine: Machine, observed: Observed) -> bool:
    """Its node is not known to be cordoned and empty."""
    node = observed.kube.nodes.get(machine.name) if observed.kube else None
    if node is None or observed.kube is None:
        return False
    pods = observed.kube.pods.get(machine.name)
    return not node.unschedulable or pods is None or any(not p.ends_with_node for p in pods)


def _why_drained(machine: Machine, observed: Observed, rules: Rules, now: datetime) -> str:
    if _is_over(machine, rules, now):
        return ""
    if observed.kube is None:
        until = deadline(machine, rules)
        return f"the cluster's API does not answer; at {until:%H:%M:%S} UTC it goes undrained"
    return "its pods leave first" if _has_pods(machine, observed) else ""


def _why_member(machine: Machine, machines: Machines, observed: Observed) -> str:
    """One member at a time, the users' address elsewhere, and a quorum after the step."""
    if observed.kube is None:
        return "etcd members change only while the cluster's API answers"
    others = [
        m
        for m in machines.values()
        if m.role is Role.CONTROL_PLANE and m.is_wanted and m.id != machine.id
    ]
    changing = lost_members(list(machines.values())) or [
        m for m in others if m.joining_at is not None and m.joined_at is None
    ]
    if changing:
        return f"the etcd member of {changing[0].name} changes first"
    if bound_to(observed) == observed.machines.get(machine.id):
        return "the cluster's address moves first"
    return _why_quorum(machine, others, observed)


def _why_quorum(machine: Machine, others: Sequence[Machine], observed: Observed) -> str:
    members = [m for m in others if m.joined_at is not None]
    heard = {m.id for m in living_members(observed.machines, observed.agents)}
    living = [m for m in members if m.id in heard and m.ready_at is not None]
    if not members:
        return "it is the last control plane"
    if not has_quorum(len(living), len(members)) or machine.id not in heard:
        return f"{len(living)} of the {len(members)} other control planes are ready and heard"
    return ""
