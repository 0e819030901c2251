"""What we say of a cluster, and when to look again."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.core.planner.build import AT, HOUR, MINUTE, SECOND, World, a_world, deleting

from holdfast.model.action import Delete, Plan, Result, Waiting
from holdfast.model.ids import ResourceName
from holdfast.model.observed import Blind, Life
from holdfast.model.resource import Role
from holdfast.model.status import ClusterPhase, ConditionType
from holdfast.model.wake import Again, Why
from holdfast.planner import status
from holdfast.planner.pace import Pause
from holdfast.planner.status import Evidence, come_back, conditions, phase

OUTAGE = Blind(frozenset(), "list networks: ServiceUnavailable: busy", "Unavailable")
REJECTED = Blind(frozenset(), "list networks: AuthFailure: no", "CredentialsRejected")
OPEN = Waiting("breaker/aws", "web-1 is silent", on_person=True)
HELD = Waiting("aws/subnet/a", "held by instance i-f00, which is not ours", on_person=True)
BOOTING = Waiting("web-1", "booting")


def evidence(world: World | None = None, **changes: Any) -> Evidence:
    world = world or a_world()
    whole = Evidence(world.cluster, world.observed.machines, world.observed, Plan(()), ())
    return replace(whole, **changes)


def pause(error: str, gap: timedelta = HOUR, name: str = "aws/subnet/a") -> Pause:
    return Pause(name, error, f"create {name}: {error}", gap, AT + gap)


def false_ones(given: Evidence) -> dict[ConditionType, str]:
    return {c.type: c.message for c in conditions(given, AT) if not c.status}


def test_all_is_as_wanted() -> None:
    found = conditions(evidence(), AT)
    assert {c.type for c in found} == set(ConditionType)
    assert all(c.status and c.reason == "AsWanted" and not c.message for c in found)


def unready(world: World, role: Role, count: int) -> World:
    return world.with_machines(*(replace(m, ready_at=None) for m in world.of(role)[:count]))


def lost_api(world: World) -> World:
    return world.see(kube=None, kube_error="connection refused")


NETWORK_WAIT = Waiting("aws/route/internet", "needs aws/gateway")
FALSE: list[tuple[str, Evidence, dict[ConditionType, str]]] = [
    ("a network part waits", evidence(plan=Plan((), (NETWORK_WAIT,))),
     {ConditionType.NETWORK_READY: "aws/route/internet: needs aws/gateway"}),
    ("workers are not ready", evidence(unready(a_world(), Role.WORKER, 2)),
     {ConditionType.WORKERS_READY: "1 of 3 are ready"}),
    ("a control plane is not ready", evidence(unready(a_world(3), Role.CONTROL_PLANE, 1)),
     {ConditionType.CONTROL_PLANE_READY: "2 of 3 are ready"}),
    ("the API server is silent", evidence(lost_api(a_world())),
     {ConditionType.CONTROL_PLANE_READY: "the API server does not answer: connection refused"}),
    ("the cloud is blind", evidence(a_world().see(blind=(OUTAGE,))),
     {ConditionType.CLOUD_REACHABLE: "everything: list networks: ServiceUnavailable: busy"}),
    ("the credentials are refused", evidence(a_world().see(blind=(REJECTED,))),
     {ConditionType.CREDENTIALS_VALID: "list networks: AuthFailure: no",
      ConditionType.CLOUD_REACHABLE: "everything: list networks: AuthFailure: no"}),
    ("a permission is lacking", evidence(pauses=(pause("CredentialsRejected"),)),
     {ConditionType.CREDENTIALS_VALID: "create aws/subnet/a: CredentialsRejected"}),
    ("calls fail for a while", evidence(pauses=(pause("Unavailable", 4 * SECOND),)),
     {ConditionType.CLOUD_REACHABLE: "create aws/subnet/a: Unavailable"}),
    ("one call failed once", evidence(pauses=(pause("Unavailable", SECOND),)), {}),
    ("a delete is accepted and not seen yet", evidence(pauses=(pause(""),)), {}),
    ("the breaker is open", evidence(held_back=(OPEN,)),
     {ConditionType.BREAKER_CLOSED: "web-1 is silent"}),
    ("a foreign thing is in the way", evidence(plan=Plan((), (replace(HELD, subject="x"),))),
     {ConditionType.UNBLOCKED: "x: held by instance i-f00, which is not ours"}),
    ("a quota is full", evidence(pauses=(pause("QuotaExceeded"),)),
     {ConditionType.UNBLOCKED: "aws/subnet/a: create aws/subnet/a: QuotaExceeded"}),
    ("nothing fits", evidence(unfilled=("worker small: no offering in aws",)),
     {ConditionType.UNBLOCKED: "worker small: no offering in aws"}),
]  # fmt: skip


@pytest.mark.parametrize("case", FALSE, ids=[c[0] for c in FALSE])
def test_conditions(case: tuple[str, Evidence, dict[ConditionType, str]]) -> None:
    _, given, expected = case
    assert false_ones(given) == expected


def test_since_is_kept_while_the_status_stays() -> None:
    before = tuple(replace(c, since=AT - HOUR) for c in conditions(evidence(), AT))
    cluster = replace(a_world().cluster, conditions=before)
    world = replace(a_world().see(blind=(OUTAGE,)), cluster=cluster)
    since = {c.type: c.since for c in conditions(evidence(world), AT)}
    assert since.pop(ConditionType.CLOUD_REACHABLE) == AT
    assert set(since.values()) == {AT - HOUR}


def phase_of(given: Evidence, before: ClusterPhase) -> ClusterPhase:
    given = replace(given, cluster=replace(given.cluster, phase=before))
    return phase(given, conditions(given, AT))


GROWING = unready(a_world(), Role.WORKER, 1)
NO_MACHINES = a_world().see(machines={}, kube=None)
TROUBLED = a_world().see(blind=(OUTAGE,))
C, R, W, F, D = (
    ClusterPhase.CREATING,
    ClusterPhase.READY,
    ClusterPhase.WARNING,
    ClusterPhase.FAILED,
    ClusterPhase.DELETING,
)
PHASES = [
    ("up", evidence(), {C: R, R: R, W: R}),
    ("a worker is missing", evidence(GROWING), {C: C, R: W, W: W}),
    ("the cloud is out", evidence(TROUBLED), {C: W, R: W, W: W}),
    ("nothing is left of it", evidence(NO_MACHINES), {C: C, R: W, W: W}),
    ("blocked", evidence(GROWING, plan=Plan((), (HELD,))), {C: W, R: W, W: W}),
    ("the API server is silent", evidence(lost_api(a_world())), {C: C, R: W, W: W}),
]


@pytest.mark.parametrize("case", PHASES, ids=[c[0] for c in PHASES])
def test_phases_follow_the_table_of_v1(
    case: tuple[str, Evidence, dict[ClusterPhase, ClusterPhase]],
) -> None:
    _, given, expected = case
    assert {before: phase_of(given, before) for before in expected} == expected


GONE = deleting(a_world())
LEAVING = GONE.with_things(
    replace(GONE.observed.things[GONE.machines[0].resource], life=Life.LEAVING)
)
TAKEN = Delete(GONE.observed.things[ResourceName("aws/gateway")], "no longer wanted")
ENDINGS = [
    ("it goes on", evidence(GONE, results=(Result(TAKEN),)), D),
    ("nothing is left, the window runs", evidence(GONE.see(things={})), D),
    ("a foreign thing holds it", evidence(GONE, plan=Plan((), (HELD, NETWORK_WAIT))), F),
    ("while other parts go on",
     evidence(GONE, plan=Plan((), (HELD,)), results=(Result(TAKEN),)), D),
    ("while a machine is going", evidence(LEAVING, plan=Plan((), (HELD,))), D),
    ("while another call is repeated",
     evidence(GONE, plan=Plan((), (HELD,)), pauses=(pause("Unavailable"),)), D),
    ("what holds it is known to the cloud alone",
     evidence(GONE, pauses=(pause("DependencyHeld", MINUTE),)), F),
    ("the same, when it is tried again", evidence(
        GONE, results=(Result(TAKEN, "DependencyHeld", "in use"),),
        pauses=(pause("DependencyHeld", MINUTE),)), F),
    ("the cloud says in use for a moment",
     evidence(GONE, pauses=(pause("DependencyHeld", SECOND),)), D),
    ("the cloud is out", evidence(GONE.see(blind=(OUTAGE,)), plan=Plan((), (HELD,))), D),
]  # fmt: skip


@pytest.mark.parametrize("case", ENDINGS, ids=[c[0] for c in ENDINGS])
def test_a_deletion_fails_visibly_only_when_a_person_must_act(
    case: tuple[str, Evidence, ClusterPhase],
) -> None:
    _, given, expected = case
    for before in (D, F):
        assert phase_of(given, before) is expected


def again(given: Evidence, quiet: timedelta = timedelta()) -> Again:
    """`quiet` is for how long no condition has changed."""
    since = tuple(replace(c, since=AT - quiet) for c in conditions(given, AT))
    return come_back(given, since, AT)


def test_a_settled_cluster_is_looked_at_in_an_hour() -> None:
    assert again(evidence()) == Again(status.SETTLED, Why.TICK)


def test_progress_is_followed_at_once() -> None:
    given = evidence(results=(Result(TAKEN, "Throttled"), Result(TAKEN)))
    assert again(given) == Again(status.PROGRESS, Why.USER)


def test_waiting_is_looked_at_soon_and_less_often_the_longer_it_lasts() -> None:
    given = evidence(plan=Plan((), (BOOTING,)))
    gaps = [again(given, quiet).after for quiet in (SECOND, MINUTE, 3 * MINUTE, HOUR)]
    assert gaps == [status.WAITING, 3 * SECOND, 9 * SECOND, status.ON_PERSON]


def test_an_outage_is_looked_at_in_growing_gaps() -> None:
    given = evidence(TROUBLED)
    gaps = [again(given, quiet).after for quiet in (SECOND, 20 * SECOND, MINUTE, HOUR)]
    assert gaps == [status.WAITING, 5 * SECOND, 15 * SECOND, status.LONGEST]


def test_what_waits_for_a_person_is_looked_at_slowly() -> None:
    assert again(evidence(plan=Plan((), (HELD,)))).after == status.ON_PERSON
    assert again(evidence(plan=Plan((), (HELD, BOOTING)))).after == status.WAITING


def test_what_was_refused_is_tried_when_its_pause_is_over() -> None:
    refused = pause("Throttled", 4 * SECOND)
    given = evidence(plan=Plan((), (refused.waiting,)), pauses=(refused,))
    assert again(given, HOUR).after == 4 * SECOND
    both = replace(given, plan=Plan((), (refused.waiting, BOOTING)))
    assert again(both).after == status.WAITING
    long = pause("QuotaExceeded", 6 * HOUR)
    assert again(evidence(plan=Plan((), (long.waiting,)), pauses=(long,))).after == status.LONGEST
    over = replace(refused, until=AT - SECOND)
    assert again(replace(given, pauses=(over,))).after == status.PROGRESS


def test_a_paused_cluster_rests_whatever_it_would_do() -> None:
    world = a_world(reconcile_paused=True)
    given = evidence(world, plan=Plan((TAKEN,), (BOOTING,)))
    assert again(given).after == status.SETTLED
    ended = evidence(replace(GONE, cluster=replace(GONE.cluster, reconcile_paused=True)))
    assert again(replace(ended, plan=Plan((), (BOOTING,)))).after == status.WAITING
