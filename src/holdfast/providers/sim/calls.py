"""One call from the platform to a cloud: rate, keys, latency, faults, and who watches.

    issue -> before -> request travels -> the cloud acts, at one moment -> after -> answer travels

Between the two journeys nothing else can run: an effect is there completely or not at all.
"""

from collections.abc import Callable
from dataclasses import dataclass

from holdfast.model.ids import ClusterId, ProviderId
from holdfast.providers import errors
from holdfast.providers.limits import Budget
from holdfast.providers.sim.clouds import TRAITS
from holdfast.providers.sim.effects import Effect
from holdfast.providers.sim.faults import Facts, Fault, Kind
from holdfast.providers.sim.gate import Line
from holdfast.providers.sim.making import Made
from holdfast.providers.sim.record import Call

# Faults of the way to the cloud and back; at most one of them hits a call.
ON_THE_WAY = (
    Kind.LOST_REQUEST,
    Kind.LOST_RESPONSE,
    Kind.LATE,
    Kind.DELAY,
    Kind.ERROR,
    Kind.THROTTLE,
    Kind.OUTAGE,
    Kind.PARTIAL,
    Kind.STALE_AFTER,
)
Act = Callable[[Fault | None], Made]


@dataclass(frozen=True, slots=True)
class Change:
    """A changing call before it is made.

    group   bucket that counts it: "create-VirtualMachine"
    act     what the cloud does, at one moment; a fault of kind PARTIAL is handed in
    """

    verb: str
    subject: str
    cluster: ClusterId
    facts: Facts
    group: str
    budget: Budget
    act: Act
    token: str = ""
    parameters: str = ""

    @property
    def attempted(self) -> str:
        """For people and errors."""
        return f"{self.verb} {self.subject}"


async def change(line: Line, change: Change) -> None:
    """Make a changing call. Raises a class of `providers.errors`, or what `effects` raises."""
    urgent = change.verb == "delete"
    await line.acquire(change.group, change.budget, urgent=urgent)
    world, effect = line.world, _effect(line, change.verb, change.subject, change.cluster)
    fault = world.effects.before(effect)
    fault = fault or world.faults.take(ON_THE_WAY, change.facts, world.moment())
    await line.travel(change.verb, change.subject, change.cluster)
    if fault is not None and fault.kind in {Kind.LOST_REQUEST, Kind.LATE}:
        await _unanswered(line, change, fault, effect)
    if fault is not None and fault.kind is Kind.DELAY:
        await world.clock.sleep(fault.value)
    error = _acted(line, change, fault)
    world.effects.after(effect, type(error).__name__ if error else "ok")
    await line.travel(change.verb, change.subject, change.cluster)
    if fault is not None and fault.kind is Kind.LOST_RESPONSE:
        await world.clock.sleep(fault.value)
        raise _silence(change)
    if error is not None:
        raise error


async def ask(line: Line, verb: str, subject: str, *, everywhere: bool = False) -> None:
    """Make a call that changes nothing; `everywhere`: also where the region is not enabled.

    Raises a class of `providers.errors` where there is no answer.
    """
    world, budget, attempted = line.world, TRAITS[line.site.cloud].reading, f"{verb} {subject}"
    await line.acquire(verb, budget)
    await line.travel(verb, subject)
    world.timeline.settle()
    facts = line.facts(verb, None, subject)
    fault = world.faults.take(ON_THE_WAY, facts, world.moment())
    world.record.reads[line.site.cloud.value, line.account.id, line.site.region, verb] += 1
    if fault is not None and fault.kind is Kind.DELAY:
        await world.clock.sleep(fault.value)
    if everywhere:
        line.known(attempted)
    else:
        line.gate(facts, attempted, verb, budget)
    line.bent(facts, fault, attempted)
    await line.travel(verb, subject)


def read(
    line: Line, facts: Facts, listing: str, cluster: ClusterId, budget: Budget
) -> Fault | None:
    """The cloud's one moment of a reading; returns the fault that bends its answer.

    Raises a class of `providers.errors` where there is no answer.
    """
    world, attempted = line.world, f"list {listing}"
    effect = _effect(line, "observe", listing, cluster)
    fault = world.effects.reading(effect)
    fault = fault or world.faults.take((*ON_THE_WAY, Kind.STALE), facts, world.moment())
    place = (line.site.cloud.value, line.account.id, line.site.region, listing)
    world.record.reads[place] += 1
    line.gate(facts, attempted, f"list-{listing}", budget)
    line.bent(facts, fault, attempted)
    return fault


def _acted(line: Line, change: Change, fault: Fault | None) -> errors.ProviderError | None:
    """The cloud's one moment; returns its refusal."""
    world = line.world
    world.timeline.settle()
    partial = fault if fault is not None and fault.kind is Kind.PARTIAL else None
    try:
        line.gate(change.facts, change.attempted, change.group, change.budget)
        if fault is not None:
            line.injected(change.facts, fault, change.attempted)
        made = change.act(partial)
    except errors.ProviderError as error:
        _note(line, change, type(error).__name__, None)
        return error
    _note(line, change, made.outcome, made.thing)
    if fault is not None and fault.kind is Kind.STALE_AFTER:
        _hide(line, made.thing, fault.value)
    return None


def _hide(line: Line, thing: ProviderId, seconds: float) -> None:
    """Listings do not show the last change of a thing for a while."""
    history = line.site.shelf.histories.get(thing)
    if history is not None and history.versions:
        last = history.versions[-1]
        last.visible_at = max(last.visible_at, line.world.timeline.now + seconds)


async def _unanswered(line: Line, change: Change, fault: Fault, effect: Effect) -> None:
    """Nothing came back in time: nothing happened, or it will happen later."""
    world = line.world
    if fault.kind is Kind.LOST_REQUEST:
        _note(line, change, "lost", None)
    else:
        world.timeline.after(fault.value, lambda: _later(line, change), late=True)
    world.effects.after(effect, "lost" if fault.kind is Kind.LOST_REQUEST else "late")
    await world.clock.sleep(min(fault.value, world.settings.patience))
    raise _silence(change)


def _later(line: Line, change: Change) -> None:
    try:
        line.gate(change.facts, change.attempted, change.group, None)
        made = change.act(None)
    except errors.ProviderError as error:
        _note(line, change, f"late {type(error).__name__}", None)
    else:
        _note(line, change, f"late {made.outcome}", made.thing)


def _note(line: Line, change: Change, outcome: str, thing: ProviderId | None) -> None:
    record = line.world.record
    record.calls.append(
        Call(
            number=len(record.calls) + 1,
            at=line.world.moment(),
            caller="platform",
            cloud=line.site.cloud.value,
            account=line.site.account,
            key=line.key.id,
            region=line.site.region,
            verb=change.verb,
            subject=change.subject,
            cluster=change.cluster,
            token=change.token,
            parameters=change.parameters,
            outcome=outcome,
            thing=thing,
        )
    )


def _effect(line: Line, verb: str, subject: str, cluster: ClusterId) -> Effect:
    return Effect(f"cloud/{line.site.cloud.value}", verb, subject, cluster)


def _silence(change: Change) -> errors.ProviderError:
    """No answer: of a create nothing is known; a delete may be repeated."""
    detail = "the connection ended before an answer came"
    if change.verb == "create":
        return errors.OutcomeUnknown(change.attempted, "", detail)
    return errors.Unavailable(change.attempted, "", detail)
