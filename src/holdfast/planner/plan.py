"""The generic comparison of desired and observed: what goes, what is made, what waits.

Nothing here knows a cloud, a kind or an order: order emerges, because an action is planned only
when its preconditions are observed to hold now.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from holdfast.model.action import Action, Create, Delete, Plan, Waiting
from holdfast.model.ids import ResourceName
from holdfast.model.names import cloud_of
from holdfast.model.observed import Life, Observed, Seen
from holdfast.model.resource import DOUBLED_BY_REPEAT, Resource, VirtualMachine, kind, needs
from holdfast.planner.desired import Resources
from holdfast.planner.order import comes_after
from holdfast.planner.rules import Rules

Things = Mapping[ResourceName, Seen]


def plan(desired: Resources, observed: Observed, rules: Rules, now: datetime) -> Plan:
    """One pass's decision about things in the clouds."""
    present = {n: seen for n, seen in observed.things.items() if seen.life is not Life.GONE}
    going = stale(desired, present)
    steps = [*_departures(going, present, desired, observed), *_surplus(observed)]
    steps += [
        _arrival(resource, present, going, observed, rules, now)
        for resource in desired.values()
        if resource.name not in present
    ]
    actions = tuple(step for step in steps if not isinstance(step, Waiting))
    waiting = tuple(step for step in steps if isinstance(step, Waiting))
    pending = (_pending(seen) for n, seen in present.items() if n not in going)
    return Plan(actions, (*waiting, *(step for step in pending if step)))


def stale(desired: Resources, present: Things) -> Things:
    """What must go: undesired, changed, broken, or leaning on something that must go."""
    going = {
        name: seen
        for name, seen in present.items()
        if desired.get(name) != seen.resource or seen.life in {Life.FAILED, Life.LEAVING}
    }
    while more := {
        name: seen
        for name, seen in present.items()
        if name not in going and needs(seen.resource) & going.keys()
    }:
        going |= more
    return going


def _departures(
    going: Things, present: Things, desired: Resources, observed: Observed
) -> Iterable[Action | Waiting]:
    stuck = _stuck(going, present, observed)
    for name, seen in going.items():
        held = [foreign for foreign in observed.foreign if name in foreign.holds]
        users = _users(name, going, present)
        if seen.life is Life.LEAVING:
            yield Waiting(name, f"{kind(seen.resource)} {seen.id} is going")
        elif users:
            reason = f"used by {', '.join(sorted(users)[:3])} until that is gone"
            yield Waiting(name, reason, on_person=name in stuck)
        elif held:
            reason = _held(seen, held[0].id, held[0].kind, held[0].owner)
            yield Waiting(name, reason, on_person=True)
        elif name not in desired:
            yield Delete(seen, "no longer wanted")
        else:
            yield Delete(seen, f"differs: {difference(desired[name], seen.resource)}")


def _stuck(going: Things, present: Things, observed: Observed) -> set[ResourceName]:
    """What cannot go before a person acts: held by something foreign, or used by what is held."""
    stuck = {n for foreign in observed.foreign for n in foreign.holds if n in going}
    while more := {n for n in going if n not in stuck and stuck & _users(n, going, present)}:
        stuck |= more
    return stuck


def _users(name: ResourceName, going: Things, present: Things) -> set[ResourceName]:
    return {n for n, other in present.items() if _keeps(other, name, leaving=n in going)}


def _keeps(user: Seen, name: ResourceName, *, leaving: bool) -> bool:
    """A user keeps what it needs; one that leaves itself also what comes before it in order."""
    return name in (comes_after(user.resource) if leaving else needs(user.resource))


def _held(seen: Seen, blocker: str, blocker_kind: str, owner: str) -> str:
    return (
        f"{kind(seen.resource)} {seen.id} is held by {blocker_kind} {blocker}, "
        f"which is not ours ({owner})"
    )


def _surplus(observed: Observed) -> Iterable[Action | Waiting]:
    for seen in observed.surplus:
        if seen.life not in {Life.GONE, Life.LEAVING}:
            yield Delete(seen, "a second copy of the same thing")


def _arrival(
    resource: Resource,
    present: Things,
    going: Things,
    observed: Observed,
    rules: Rules,
    now: datetime,
) -> Action | Waiting:
    missing = [
        name
        for name in sorted(comes_after(resource))
        if name not in present or name in going or present[name].life is not Life.PRESENT
    ]
    if observed.is_blind_to(resource):
        return Waiting(resource.name, "the listing that would show it failed")
    if missing:
        return Waiting(resource.name, f"needs {', '.join(missing[:3])}")
    doubt = _doubt(resource, observed, rules, now)
    if doubt is not None:
        return doubt
    return Create(resource, "missing")


def _doubt(resource: Resource, observed: Observed, rules: Rules, now: datetime) -> Waiting | None:
    """Why a thing that is not visible may still be there, or must not be asked for again."""
    unsure = observed.unsure.get(resource.name)
    if isinstance(resource, VirtualMachine):
        machine = observed.machines.get(resource.machine)
        if machine is not None and machine.provider_id is not None:
            return Waiting(resource.name, f"{machine.provider_id} is not visible at the cloud now")
    if unsure is None:
        return None
    if unsure.calls >= rules.creates_per_intent and now - unsure.since < 10 * rules.window(
        cloud_of(resource.name)
    ):
        reason = f"asked for {unsure.calls} times without becoming visible; look at the account"
        return Waiting(resource.name, reason, on_person=True)
    if isinstance(resource, DOUBLED_BY_REPEAT) and not is_over(
        unsure.since, unsure.readings, resource.name, rules, now
    ):
        return Waiting(resource.name, "may be there already; waiting for the cloud to show it")
    return None


def is_over(
    since: datetime, readings: int, name: ResourceName, rules: Rules, now: datetime
) -> bool:
    """True when a thing has been missing for the window and in enough readings: it is gone."""
    return now - since >= rules.window(cloud_of(name)) and readings >= rules.gone_readings


def _pending(seen: Seen) -> Waiting | None:
    if seen.life is Life.PENDING:
        return Waiting(seen.resource.name, f"{kind(seen.resource)} {seen.id} is coming up")
    return None


def difference(wanted: Resource, found: Resource) -> str:
    """`field: wanted X, found Y` of the first fields that differ."""
    if type(wanted) is not type(found):
        return f"wanted a {kind(wanted)}, found a {kind(found)}"
    fields = [
        f"{field}: wanted {getattr(wanted, field)}, found {getattr(found, field)}"
        for field in wanted.__dataclass_fields__
        if getattr(wanted, field) != getattr(found, field)
    ]
    return "; ".join(fields[:3]) or "it leans on something that must be replaced"
