"""Replacement of machines that live: the new one first, a few at a time, stopped by a failure.

A machine that differs from its request, or that a user wants replaced, gets a second machine
beside it; once that one is Ready, the old one leaves. While anything of the role is not well no
further one begins.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from holdfast.model.action import Waiting
from holdfast.model.ids import MachineId, RequestId
from holdfast.model.machine import Machine
from holdfast.model.observed import Observed
from holdfast.model.resource import Role
from holdfast.model.spec import ClusterSpec, NodeRequest
from holdfast.planner.control_plane import lost_members
from holdfast.planner.drift import outdated
from holdfast.planner.leaving import leave
from holdfast.planner.rules import Rules

Machines = Mapping[MachineId, Machine]
Placed = Mapping[RequestId, Sequence[Machine]]


@dataclass(frozen=True, slots=True)
class Rollout:
    """Requests that get a second machine now, and why others don't."""

    start: tuple[RequestId, ...] = ()
    waiting: tuple[Waiting, ...] = ()


def rollout(spec: ClusterSpec, machines: Machines, observed: Observed, rules: Rules) -> Rollout:
    """Which replacements begin now. At most `surge` machines of a role are in change."""
    start: list[RequestId] = []
    waiting: list[Waiting] = []
    for role in Role:
        requests = [node for node in spec.nodes if node.role is role]
        found = _of_role(requests, machines, observed, rules)
        start += found.start
        waiting += found.waiting
    return Rollout(tuple(start), tuple(waiting))


def failed(lost: Iterable[Machine], machines: Machines) -> list[Machine]:
    """Machines whose replacement was lost before it joined: no further one is tried."""
    stopped = []
    placed = by_request(machines)
    for new in lost:
        mine = placed.get(new.request, [])
        old = next((m for m in mine if m.chosen_at < new.chosen_at), None)
        if old is not None and new.joined_at is None:
            reason = f"{new.name}, made in its place, failed: {new.written_off_reason}"
            stopped.append(replace(old, replace_stopped=reason))
    return stopped


def replaced(spec: ClusterSpec, machines: Machines, now: datetime) -> list[Machine]:
    """Machines that leave now, because the one in their place is Ready."""
    left = []
    placed = by_request(machines)
    for request in spec.nodes:
        mine = placed.get(request.id, [])
        ready = [m for m in mine if m.ready_at is not None]
        fit = [m for m in ready if not outdated(m, request)]
        if not fit and mine[-1:] == ready[-1:]:
            fit = list(mine[-1:])  # wishes changed meanwhile: it is replaced in its turn
        if len(mine) > 1 and fit:
            left += [
                leave(
                    m, f"replaced by {fit[0].name}: {outdated(m, request) or 'one is enough'}", now
                )
                for m in mine
                if m is not fit[0]
            ]
    return left


def by_request(machines: Machines) -> Placed:
    """The machines that nothing ends, by their request, oldest first."""
    found: dict[RequestId, list[Machine]] = {}
    for machine in sorted(machines.values(), key=lambda m: (m.chosen_at, m.id)):
        if machine.is_staying:
            found.setdefault(machine.request, []).append(machine)
    return found


def _of_role(
    requests: Sequence[NodeRequest], machines: Machines, observed: Observed, rules: Rules
) -> Rollout:
    """Those with a second machine already are in change; of the rest the first ones begin."""
    old: list[tuple[NodeRequest, Machine, str]] = []
    changing: list[Machine] = []
    placed = by_request(machines)
    for request in requests:
        mine = placed.get(request.id, [])
        changing += mine[1:]
        if len(mine) == 1 and (why := outdated(mine[0], request)):
            old.append((request, mine[0], why))
    if not old:
        return Rollout()
    roles = {request.role for request in requests}
    changing += [m for m in machines.values() if _is_going(m, roles)]
    start: list[RequestId] = []
    waiting: list[Waiting] = []
    for request, machine, why in old:
        stays = _why_not(machine, requests, machines, placed, observed)
        if stays is not None:
            waiting.append(replace(stays, reason=f"{why}; {stays.reason}"))
        elif len(changing) + len(start) >= rules.surge:
            first = changing[0].name if changing else "another machine"
            waiting.append(Waiting(machine.name, f"{why}; {first} is in change first"))
        else:
            start.append(request.id)
    return Rollout(tuple(start), tuple(waiting))


def _is_going(machine: Machine, roles: set[Role]) -> bool:
    """It leaves, or was lost and holds its place in the cloud still."""
    return machine.role in roles and machine.leaving_at is not None and machine.gone_at is None


def _why_not(
    machine: Machine,
    requests: Sequence[NodeRequest],
    machines: Machines,
    placed: Placed,
    observed: Observed,
) -> Waiting | None:
    stopped = _stopped(requests, machines)
    if stopped is not None:
        words = "it is replaced once you ask again" if stopped.id == machine.id else "stopped"
        reason = f"{stopped.replace_stopped}; {words}"
        return Waiting(machine.name, reason, on_person=True)
    if machine.role is Role.CONTROL_PLANE and len(requests) == 1:
        reason = "a lone control plane is replaced only from a snapshot, and there are none yet"
        return Waiting(machine.name, reason, on_person=True)
    if observed.blind:
        return Waiting(machine.name, "not everything is visible now")
    if observed.kube is None:
        return Waiting(machine.name, "the cluster's API does not answer")
    lost = lost_members(list(machines.values()))
    if machine.role is Role.CONTROL_PLANE and lost:
        return Waiting(machine.name, f"the etcd member of {lost[0].name} goes first")
    unready = [name for r in requests if (name := _unready(r, machine, placed))]
    return Waiting(machine.name, f"{unready[0]} is not ready") if unready else None


def _unready(request: NodeRequest, machine: Machine, placed: Placed) -> str:
    """The machine of another request that is not ready; empty when that one is well."""
    mine = placed.get(request.id, [])
    if request.id == machine.request or any(m.ready_at is not None for m in mine):
        return ""
    return mine[0].name if mine else f"the machine of {request.id}"


def _stopped(requests: Sequence[NodeRequest], machines: Machines) -> Machine | None:
    asked = {request.id for request in requests}
    found = [m for m in machines.values() if m.request in asked and m.is_staying]
    return next((m for m in found if m.replace_stopped is not None), None)
