"""What we say of a cluster after a pass: conditions, v1's phase, and when to come back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from holdfast.model.action import Plan, Result
from holdfast.model.cluster import Cluster
from holdfast.model.ids import MachineId
from holdfast.model.machine import Machine
from holdfast.model.observed import Observed
from holdfast.model.resource import Role, VirtualMachine
from holdfast.model.spec import ClusterSpec
from holdfast.model.status import ClusterPhase, Condition, ConditionType
from holdfast.model.wake import Again, Why
from holdfast.planner.decision import blind_kinds

SETTLED = timedelta(hours=1)
ON_PERSON = timedelta(seconds=15)
WAITING = timedelta(seconds=1.5)
REFUSED = timedelta(seconds=0.7)
PROGRESS = timedelta(seconds=0.2)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a pass ended with."""

    cluster: Cluster
    machines: Mapping[MachineId, Machine]
    observed: Observed
    plan: Plan
    results: tuple[Result, ...]
    held_back: tuple[str, ...] = ()
    unfilled: tuple[str, ...] = ()


def conditions(evidence: Evidence, now: datetime) -> tuple[Condition, ...]:
    """Every condition anew; `since` is kept where the status did not change."""
    found = [
        _network(evidence),
        _role(evidence, Role.CONTROL_PLANE, ConditionType.CONTROL_PLANE_READY),
        _role(evidence, Role.WORKER, ConditionType.WORKERS_READY),
        _cloud(evidence),
        _credentials(evidence),
        _breaker(evidence),
        _unblocked(evidence),
    ]
    before = {condition.type: condition for condition in evidence.cluster.conditions}
    return tuple(
        Condition(
            type=kind,
            status=not message,
            reason=reason if message else "AsWanted",
            message=message,
            since=before[kind].since
            if kind in before and before[kind].status == (not message)
            else now,
        )
        for kind, reason, message in found
    )


Found = tuple[ConditionType, str, str]  # an empty message means: as it should be


def _network(evidence: Evidence) -> Found:
    waiting = [
        w
        for w in evidence.plan.waiting
        if "/" in w.subject and "/machine/" not in w.subject and "/address" not in w.subject
    ]
    made = [
        a
        for a in evidence.plan.actions
        if hasattr(a, "resource") and not isinstance(a.resource, VirtualMachine)
    ]
    message = f"{waiting[0].subject}: {waiting[0].reason}" if waiting else ""
    if not message and made:
        message = f"{len(made)} parts were asked for"
    return ConditionType.NETWORK_READY, "InProgress", message


def _role(evidence: Evidence, role: Role, kind: ConditionType) -> Found:
    ready = {m.request for m in evidence.machines.values() if m.is_wanted and m.ready_at}
    wanted = [node for node in evidence.cluster.spec.nodes if node.role is role]
    count = sum(node.id in ready for node in wanted)
    message = "" if count == len(wanted) else f"{count} of {len(wanted)} are ready"
    if not message and evidence.observed.kube is None and role is Role.CONTROL_PLANE:
        message = f"the API server does not answer: {evidence.observed.kube_error}"
    return kind, "NotReady", message


def _cloud(evidence: Evidence) -> Found:
    blind = [f"{blind_kinds(b.kinds)}: {b.reason}" for b in evidence.observed.blind]
    failed = [r.message for r in evidence.results if r.error == "Throttled"]
    return ConditionType.CLOUD_REACHABLE, "Unreachable", "; ".join((*blind, *failed)[:2])


def _credentials(evidence: Evidence) -> Found:
    blind = [b.reason for b in evidence.observed.blind if b.error == "CredentialsRejected"]
    failed = [r.message for r in evidence.results if r.error == "CredentialsRejected"]
    return ConditionType.CREDENTIALS_VALID, "Rejected", "; ".join((*blind, *failed)[:2])


def _breaker(evidence: Evidence) -> Found:
    held = evidence.held_back
    message = (
        f"{len(held)} machines look broken at once, none is replaced: {held[0]}" if held else ""
    )
    return ConditionType.BREAKER_CLOSED, "Open", message


def _unblocked(evidence: Evidence) -> Found:
    waits = [f"{w.subject}: {w.reason}" for w in evidence.plan.waiting if w.on_person]
    waits += [r.message for r in evidence.results if r.error == "DependencyHeld"]
    waits += [
        r.message for r in evidence.results if r.error in {"RequestRejected", "QuotaExceeded"}
    ]
    waits += evidence.unfilled
    return ConditionType.UNBLOCKED, "Blocked", "; ".join(waits[:3])


def phase(evidence: Evidence, now_conditions: Sequence[Condition]) -> ClusterPhase:
    """v1's status. A deletion that is blocked by something foreign fails visibly."""
    status = {condition.type: condition.status for condition in now_conditions}
    if evidence.cluster.is_deleting:
        stuck = _is_stuck(evidence.plan) or _is_refused(evidence.results)
        return ClusterPhase.FAILED if stuck else ClusterPhase.DELETING
    if all(status.values()) and _system_ready(evidence) and _filled(evidence):
        return ClusterPhase.READY
    if evidence.cluster.phase is ClusterPhase.CREATING and _untroubled(status):
        return ClusterPhase.CREATING
    return ClusterPhase.WARNING if _was_up(evidence) else _building(status)


def _is_stuck(plan: Plan) -> bool:
    """Nothing can be done, and only a person can end the waiting."""
    return not plan.actions and bool(plan.waiting) and all(w.on_person for w in plan.waiting)


def _is_refused(results: Sequence[Result]) -> bool:
    """Everything that was tried met something that does not end by itself."""
    lasting = {"DependencyHeld", "RequestRejected", "Conflict"}
    return bool(results) and all(result.error in lasting for result in results)


def _building(status: Mapping[ConditionType, bool]) -> ClusterPhase:
    return ClusterPhase.CREATING if _untroubled(status) else ClusterPhase.WARNING


def _untroubled(status: Mapping[ConditionType, bool]) -> bool:
    """Nothing is wrong, it only takes its time."""
    return all(
        status[kind]
        for kind in (
            ConditionType.CLOUD_REACHABLE,
            ConditionType.CREDENTIALS_VALID,
            ConditionType.BREAKER_CLOSED,
            ConditionType.UNBLOCKED,
        )
    )


def _was_up(evidence: Evidence) -> bool:
    return any(
        m.joined_at for m in evidence.machines.values() if m.role is Role.CONTROL_PLANE
    ) and (evidence.cluster.phase in {ClusterPhase.READY, ClusterPhase.WARNING})


def _system_ready(evidence: Evidence) -> bool:
    return evidence.observed.kube is not None and evidence.observed.kube.system_ready


def _filled(evidence: Evidence) -> bool:
    return _ready_requests(evidence.machines) >= _requests(evidence.cluster.spec)


def _ready_requests(machines: Mapping[MachineId, Machine]) -> set[str]:
    return {m.request for m in machines.values() if m.is_wanted and m.ready_at}


def _requests(spec: ClusterSpec) -> set[str]:
    return {node.id for node in spec.nodes}


def come_back(plan: Plan, results: Sequence[Result]) -> Again:
    """Progress: at once. Waiting: soon. Settled: later. A failure is waited out by the backoff."""
    if any(result.is_done for result in results):
        return Again(PROGRESS, Why.USER)
    if results:
        return Again(REFUSED, Why.RETRY)
    if not plan.waiting:
        return Again(SETTLED, Why.TICK)
    if _is_stuck(plan):
        return Again(ON_PERSON, Why.TICK)
    return Again(WAITING, Why.TICK)
