"""What we say of a cluster after a pass: conditions, v1's phase, and when to come back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from holdfast.model.action import Plan, Result, Waiting
from holdfast.model.cluster import Cluster
from holdfast.model.ids import MachineId
from holdfast.model.machine import Machine
from holdfast.model.observed import Life, Observed
from holdfast.model.resource import Role, VirtualMachine
from holdfast.model.spec import ClusterSpec
from holdfast.model.status import ClusterPhase, Condition, ConditionType
from holdfast.model.wake import Again, Why
from holdfast.planner.decision import blind_words
from holdfast.planner.intended import Step
from holdfast.planner.pace import Pause

SETTLED = timedelta(hours=1)
ON_PERSON = timedelta(seconds=15)
TOLD = timedelta(seconds=15)  # in case that a word of it was lost
WAITING = timedelta(seconds=1.5)
PROGRESS = timedelta(seconds=0.2)
LONGEST = timedelta(minutes=1)  # between two looks while something waits

UNREACHED = {"Throttled", "Unavailable", "OutcomeUnknown"}
TOLD_ELSEWHERE = {"CredentialsRejected"}  # it has a condition of its own


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a pass ended with."""

    cluster: Cluster
    machines: Mapping[MachineId, Machine]
    observed: Observed
    plan: Plan
    results: tuple[Result, ...]
    held_back: tuple[Waiting, ...] = ()  # by open breakers
    unfilled: tuple[str, ...] = ()
    pauses: tuple[Pause, ...] = ()  # what was refused and waits
    intended: tuple[Step, ...] = ()  # what a cluster that is only observed would have done


def conditions(evidence: Evidence, now: datetime) -> tuple[Condition, ...]:
    """Every condition anew; `since` is kept where the status did not change."""
    found = [
        _network(evidence),
        _role(evidence, Role.CONTROL_PLANE, ConditionType.CONTROL_PLANE_READY),
        _role(evidence, Role.WORKER, ConditionType.WORKERS_READY),
        _cloud(evidence),
        _credentials(evidence),
        _breaker(evidence),
        _released(evidence),
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
    blind = [f"{blind_words(b)}: {b.reason}" for b in evidence.observed.blind]
    failed = [p.reason for p in evidence.pauses if p.error in UNREACHED and p.is_shown]
    return ConditionType.CLOUD_REACHABLE, "Unreachable", "; ".join((*blind, *failed)[:2])


def _credentials(evidence: Evidence) -> Found:
    blind = [b.reason for b in evidence.observed.blind if b.error == "CredentialsRejected"]
    failed = [p.reason for p in evidence.pauses if p.error == "CredentialsRejected"]
    return ConditionType.CREDENTIALS_VALID, "Rejected", "; ".join((*blind, *failed)[:2])


def _breaker(evidence: Evidence) -> Found:
    message = "; ".join(held.reason for held in evidence.held_back[:2])
    return ConditionType.BREAKER_CLOSED, "Open", message


def _released(evidence: Evidence) -> Found:
    message = ""
    if evidence.cluster.observe_only:
        count = len(evidence.intended)
        message = f"observe-only: waiting for release; {count} steps would be taken"
    return ConditionType.RELEASED, "ObserveOnly", message


def _unblocked(evidence: Evidence) -> Found:
    lasting = [p for p in evidence.pauses if p.on_person and p.error not in TOLD_ELSEWHERE]
    told = {pause.subject for pause in evidence.pauses}
    told |= {held.subject for held in evidence.held_back}  # they have a condition of their own
    waits = [w for w in evidence.plan.waiting if w.on_person and w.subject not in told]
    blocked = [f"{w.subject}: {w.reason}" for w in waits]
    blocked += [f"{pause.subject}: {pause.reason}" for pause in lasting]
    return ConditionType.UNBLOCKED, "Blocked", "; ".join((*blocked, *evidence.unfilled)[:3])


def phase(evidence: Evidence, now_conditions: Sequence[Condition]) -> ClusterPhase:
    """v1's status. A deletion that is blocked by something foreign fails visibly.

    Once it was ready or in trouble a cluster is never "creating" again: it is not in v1's table.
    """
    status = {condition.type: condition.status for condition in now_conditions}
    if evidence.cluster.is_deleting:
        return ClusterPhase.FAILED if _is_stuck(evidence) else ClusterPhase.DELETING
    if all(status.values()) and _system_ready(evidence) and _filled(evidence):
        return ClusterPhase.READY
    if evidence.cluster.phase is ClusterPhase.CREATING and _untroubled(status):
        return ClusterPhase.CREATING
    return ClusterPhase.WARNING


def _is_stuck(evidence: Evidence) -> bool:
    """A person has to do something, and nothing else goes on or ends by itself."""
    observed, pauses = evidence.observed, evidence.pauses
    waits = any(w.on_person for w in evidence.plan.waiting) or any(p.on_person for p in pauses)
    going_on = (
        any(result.is_done for result in evidence.results)
        or any(not pause.on_person for pause in pauses)
        or any(s.life is Life.LEAVING for s in (*observed.things.values(), *observed.surplus))
        or bool(observed.blind)
    )
    return waits and not going_on


def _untroubled(status: Mapping[ConditionType, bool]) -> bool:
    """Nothing is wrong, it only takes its time."""
    return all(
        status[kind]
        for kind in (
            ConditionType.CLOUD_REACHABLE,
            ConditionType.CREDENTIALS_VALID,
            ConditionType.BREAKER_CLOSED,
            ConditionType.RELEASED,
            ConditionType.UNBLOCKED,
        )
    )


def _system_ready(evidence: Evidence) -> bool:
    return evidence.observed.kube is not None and evidence.observed.kube.system_ready


def _filled(evidence: Evidence) -> bool:
    return _ready_requests(evidence.machines) >= _requests(evidence.cluster.spec)


def _ready_requests(machines: Mapping[MachineId, Machine]) -> set[str]:
    return {m.request for m in machines.values() if m.is_wanted and m.ready_at}


def _requests(spec: ClusterSpec) -> set[str]:
    return {node.id for node in spec.nodes}


def come_back(evidence: Evidence, now_conditions: Sequence[Condition], now: datetime) -> Again:
    """Progress: at once. Waiting: soon, and later the longer nothing changes. Settled: later."""
    if any(result.is_done for result in evidence.results):
        return Again(PROGRESS, Why.USER)
    if evidence.cluster.observe_only:
        return Again(LONGEST, Why.TICK)
    if evidence.cluster.reconcile_paused and not evidence.cluster.is_deleting:
        return Again(SETTLED, Why.TICK)
    paused = {pause.subject for pause in evidence.pauses}
    others = [w for w in evidence.plan.waiting if w.subject not in paused]
    looks = [pause.until - now for pause in evidence.pauses]
    if others or evidence.observed.blind:
        called = evidence.cluster.delete_calls_at
        changes = [c.since for c in now_conditions] + ([called] if called else [])
        quiet = now - max(changes, default=now)
        looks.append(_pace(others, evidence.observed, quiet))
    if not looks:
        return Again(SETTLED, Why.TICK)
    return Again(min(max(min(looks), PROGRESS), LONGEST), Why.TICK)


def _pace(others: Sequence[Waiting], observed: Observed, quiet: timedelta) -> timedelta:
    """When to look again at what only time, a machine or a person changes."""
    if observed.blind:
        return min(max(WAITING, quiet / 4), LONGEST)
    if all(waiting.on_person for waiting in others):
        return ON_PERSON
    if all(waiting.on_person or waiting.is_told for waiting in others):
        return TOLD
    return min(max(WAITING, quiet / 20), ON_PERSON)
