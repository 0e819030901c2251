"""Records a pass in one guarded commit: things, intents, status, events, certificate."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from holdfast.identity import signatures
from holdfast.model.action import Create, Delete, Result
from holdfast.model.certificate import CertificateState, DeletionCertificate, RemovedThing
from holdfast.model.cluster import Cluster
from holdfast.model.event import NewEvent, Severity
from holdfast.model.ids import ProviderId, ResourceName
from holdfast.model.names import cloud_of
from holdfast.model.observed import Life, Observed, Seen
from holdfast.model.resource import Address, is_doubled_by_repeat, kind
from holdfast.model.status import ClusterPhase, Condition
from holdfast.model.wake import Again, Why
from holdfast.planner import status, words
from holdfast.planner.absence import is_over
from holdfast.planner.removal import Removal, removal
from holdfast.planner.status import Evidence
from holdfast.reconciler.shown import shown
from holdfast.reconciler.world import Held, World
from holdfast.store.database import Tx
from holdfast.store.things import Thing

# A definite answer: nothing was made, so the intent is void and the next try is a new one.
NOTHING_MADE = {
    "Throttled",
    "CapacityUnavailable",
    "QuotaExceeded",
    "CredentialsRejected",
    "RequestRejected",
    "DependencyHeld",
}


# Not yet or not now: the next pass asks again, and nobody has to do anything about it.
PASSING = {"Unavailable", "Throttled", "KubeUnreachable", "Waiting"}
QUIET = PASSING - {"Waiting"}  # told once they last; what a drain waits for is told at once


async def everything(evidence: Evidence, known: Sequence[Thing], held: Held, world: World) -> Again:
    """Save what the pass found and did; returns when to come back.

    known  the things that were recorded when the pass began: nobody but passes writes them
    """
    cluster, now = evidence.cluster, world.clock.now()
    conditions = status.conditions(evidence, now)
    phase = status.phase(evidence, conditions)
    async with world.store.guarded(held.lease) as tx:
        await _things(evidence, {thing.id: thing for thing in known}, tx, world)
        await _intents(evidence, tx, world)
        calls_at = _delete_calls_at(evidence, now)
        end = await _removal(replace(cluster, delete_calls_at=calls_at), evidence, tx, world)
        deleted = end is not None and not end.wait
        troubles = _troubles(evidence)
        news = world.told.news(cluster.id, {t.subject: t.message for t in troubles})
        events = [
            *_done(evidence),
            *(trouble for trouble in troubles if trouble.subject in news),
            *_phase_event(cluster, phase, deleted, end),
        ]
        await world.store.events.append(tx, cluster.id, *events)
        await world.store.clusters.record(
            tx,
            cluster.id,
            phase=ClusterPhase.DELETED if deleted else phase,
            conditions=conditions,
            endpoint=_endpoint(cluster, evidence.observed),
            observed_generation=cluster.generation,
            reconciled_at=now,
            delete_calls_at=calls_at,
            deleted_at=now if deleted else None,
            plan=shown(evidence),
        )
        again = Again(status.SETTLED, Why.TICK)
        if not deleted:
            again = _come_back(evidence, conditions, end, now)
        mark = await world.store.marks.raised(tx) if evidence.results else None
        again = await held.finish(tx, again)
    held.is_finished = True
    await world.store.marks.keep(mark)
    if deleted:
        await _forget(cluster, world)
    return again


async def _forget(cluster: Cluster, world: World) -> None:
    world.told.drop(cluster.id)
    world.pauses.drop(cluster.id)
    world.reached.note(cluster.id, is_reached=False)
    world.listings.drop(cluster.id)
    await world.kubes.drop(cluster.id)


def _come_back(
    evidence: Evidence, conditions: Sequence[Condition], end: Removal | None, now: datetime
) -> Again:
    """A deletion goes on until its certificate is confirmed, also with nothing left to do."""
    again = status.come_back(evidence, conditions, now)
    if end is None or evidence.plan.actions or evidence.plan.waiting or evidence.observed.blind:
        return again
    wait = end.until - now if end.until is not None else status.WAITING
    return Again(min(max(wait, status.PROGRESS), status.ON_PERSON), Why.TICK)


async def _things(
    evidence: Evidence, known: Mapping[ProviderId, Thing], tx: Tx, world: World
) -> None:
    """What was seen is seen, what is terminal or missing long enough is removed."""
    observed, cluster, now = evidence.observed, evidence.cluster, world.clock.now()
    seen = {s.id: s for s in (*observed.things.values(), *observed.surplus)}
    rows = [_thing(cluster, s, now) for s in seen.values() if s.life is not Life.GONE]
    gone = {s.id for s in seen.values() if s.life is Life.GONE and s.id in known}
    for thing in known.values():
        if thing.removed_at is not None or thing.id in seen or _is_blind(observed, thing):
            continue
        missing = _missing(thing, now)
        if _is_gone(missing, evidence, world, now):
            gone.add(thing.id)
        else:
            rows.append(missing)
    changed = [row for row in rows if _is_news(row, known.get(row.id))]
    await world.store.things.seen(tx, cluster.id, changed)
    if gone:
        await world.store.things.removed(tx, cluster.id, gone, now)


def _missing(thing: Thing, now: datetime) -> Thing:
    """One more complete reading without it."""
    since = thing.missing_since or now
    return replace(thing, missing_since=since, missing_readings=thing.missing_readings + 1)


def _is_gone(missing: Thing, evidence: Evidence, world: World, now: datetime) -> bool:
    """Behind the window; at once when its name has another holder or all of it shall go."""
    if evidence.cluster.is_deleting or missing.name in evidence.observed.things:
        return True
    since, readings = missing.missing_since or now, missing.missing_readings
    return is_over(since, readings, missing.name, world.rules, now)


def _is_news(row: Thing, known: Thing | None) -> bool:
    return known is None or replace(row, first_seen_at=known.first_seen_at) != known


def _is_blind(observed: Observed, thing: Thing) -> bool:
    kind_name = "".join(part.capitalize() for part in thing.kind.split())
    cloud, zone = cloud_of(thing.name), _zone(observed, thing)
    return any(
        blind.is_about(cloud, kind_name, blind.zone if zone is None else zone)
        for blind in observed.blind
    )


def _zone(observed: Observed, thing: Thing) -> str | None:
    """The zone of a thing that is out of sight; None where nobody remembers it."""
    if thing.name.startswith(f"{cloud_of(thing.name).value}/machine/"):
        machines = observed.machines.values()
        return next((m.offering.zone for m in machines if m.resource == thing.name), None)
    return thing.name.rpartition("/")[2]


def _thing(cluster: Cluster, seen: Seen, now: datetime) -> Thing:
    return Thing(
        cluster=cluster.id,
        name=seen.resource.name,
        kind=kind(seen.resource),
        id=seen.id,
        life=seen.life,
        evidence=seen.evidence,
        first_seen_at=now,
    )


async def _intents(evidence: Evidence, tx: Tx, world: World) -> None:
    """An intent is over when its thing is seen, or when a repeat of the call does no harm."""
    void: set[ResourceName] = {
        name for name, seen in evidence.observed.things.items() if seen.life is not Life.GONE
    }
    for result in evidence.results:
        if isinstance(result.action, Create):
            name = result.action.resource.name
            void = void | {name} if _is_void(result, result.action) else void - {name}
    await world.store.intents.drop(tx, evidence.cluster.id, tuple(void))


def _is_void(result: Result, create: Create) -> bool:
    """Nothing was made; or perhaps, but asking again makes no second one: its pause says when."""
    is_harmless = not is_doubled_by_repeat(create.resource)
    return result.error in NOTHING_MADE or (result.error == "Unavailable" and is_harmless)


def _delete_calls_at(evidence: Evidence, now: datetime) -> datetime | None:
    called = any(isinstance(result.action, Delete) for result in evidence.results)
    return now if called else evidence.cluster.delete_calls_at


def _endpoint(cluster: Cluster, observed: Observed) -> str | None:
    for seen in observed.things.values():
        if isinstance(seen.resource, Address) and seen.public_ip:
            return seen.public_ip
    return cluster.endpoint


async def _removal(cluster: Cluster, evidence: Evidence, tx: Tx, world: World) -> Removal | None:
    """The certificate's next step, judged by this pass's listing and saved when there is one."""
    if not cluster.is_deleting:
        return None
    things = await world.store.things.of_cluster(tx, cluster.id)
    removed = [
        RemovedThing(thing.kind, thing.name, thing.id, thing.removed_at)
        for thing in things
        if thing.removed_at is not None
    ]
    previous = await world.store.certificates.get(tx, cluster.id)
    now = world.clock.now()
    end = removal(cluster, evidence.observed, removed, previous, world.rules, now)
    if end.certificate is not None:
        await world.store.certificates.put(tx, signed(end.certificate, world))
    elif end.withdrawn:
        await world.store.certificates.drop(tx, cluster.id)
    return end


def signed(certificate: DeletionCertificate, world: World) -> DeletionCertificate:
    """The certificate with the installation's signature over all its other fields."""
    signature = signatures.sign(
        world.installation.signing_key_pem, certificate.canonical().encode()
    )
    return replace(certificate, signature=signature)


def _done(evidence: Evidence) -> Iterable[NewEvent]:
    for result in evidence.results:
        if result.is_done:
            action = result.action
            yield NewEvent(type(action).__name__, words.done(action), words.subject(action))


def _troubles(evidence: Evidence) -> list[NewEvent]:
    """What is in the way now, one a subject; users are told when it is new."""
    found: dict[str, NewEvent] = {}
    for waiting in evidence.plan.waiting:
        if waiting.on_person:
            subject = waiting.subject
            found[subject] = NewEvent("Blocked", waiting.reason, subject, Severity.ERROR)
    for held in evidence.held_back:
        subject = held.subject
        found[subject] = NewEvent("BreakerOpen", held.reason, subject, Severity.ERROR)
    for text in evidence.unfilled:
        found[text] = NewEvent("Held", text, text, Severity.ERROR)
    for pause in evidence.pauses:
        if pause.is_shown or (pause.error and pause.error not in QUIET):
            severity = Severity.INFO if pause.error in PASSING else Severity.ERROR
            subject = pause.subject
            found[subject] = NewEvent(pause.error, pause.reason, subject, severity)
    return list(found.values())


def _phase_event(
    cluster: Cluster,
    phase: ClusterPhase,
    deleted: bool,  # noqa: FBT001  (a fact of the pass, not a switch)
    end: Removal | None,
) -> Iterable[NewEvent]:
    if end is not None and end.certificate is not None:
        issued = end.certificate
        confirmed = issued.state is CertificateState.CONFIRMED
        reason = "DeletionConfirmed" if confirmed else "DeletionProvisional"
        message = (
            f"[Cluster] {issued.state.value} deletion certificate: "
            f"{len(issued.removed)} things removed, 0 left"
        )
        yield NewEvent(reason, message, cluster.spec.name)
    if phase is not cluster.phase and not deleted:
        bad = phase in {ClusterPhase.FAILED, ClusterPhase.WARNING}
        severity = Severity.ERROR if bad else Severity.INFO
        yield NewEvent("Phase", f"[Cluster] status={phase.value}", cluster.spec.name, severity)
