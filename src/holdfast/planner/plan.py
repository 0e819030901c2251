"""The generic comparison of desired and observed: what goes, what is made, what waits.

Nothing here knows a cloud, a kind or an order: order emerges, because an action is planned only
when its preconditions are observed to hold now.
"""

from collections.abc import Iterable, Mapping, Set
from datetime import datetime

from holdfast.model.action import Action, Create, Delete, Plan, Waiting
from holdfast.model.ids import ResourceName
from holdfast.model.names import cloud_of
from holdfast.model.observed import Life, Observed, Seen
from holdfast.model.resource import (
    AddressBinding,
    Resource,
    VirtualMachine,
    kind,
    needs,
)
from holdfast.planner import absence, drift
from holdfast.planner.desired import Resources
from holdfast.planner.order import comes_after, held_by_ending
from holdfast.planner.rules import Rules

Things = Mapping[ResourceName, Seen]


def plan(desired: Resources, observed: Observed, rules: Rules, now: datetime) -> Plan:
    """One pass's decision about things in the clouds."""
    present = {n: seen for n, seen in observed.things.items() if seen.life is not Life.GONE}
    staying = drift.staying(stale(desired, present), observed)
    going = stale(desired, present, staying.keys())
    steps = [*staying.values(), *_departures(going, present, desired, observed)]
    steps += _surplus(observed)
    steps += [
        _arrival(resource, present, going, observed, rules, now)
        for resource in desired.values()
        if resource.name not in present
    ]
    actions = tuple(step for step in steps if not isinstance(step, Waiting))
    waiting = tuple(step for step in steps if isinstance(step, Waiting))
    pending = (_pending(seen) for n, seen in present.items() if n not in going)
    return Plan(actions, (*waiting, *(step for step in pending if step)))


def stale(desired: Resources, present: Things, staying: Set[ResourceName] = frozenset()) -> Things:
    """What must go: undesired, changed, broken, or leaning on something that must go.

    Those in `staying` do not go, nor does what leans on them alone.
    """
    going = {
        name: seen
        for name, seen in present.items()
        if name not in staying
        and (desired.get(name) != seen.resource or seen.life in {Life.FAILED, Life.LEAVING})
    }
    while more := {
        name: seen
        for name, seen in present.items()
        if name not in going and name not in staying and needs(seen.resource) & going.keys()
    }:
        going |= more
    return going


def _departures(
    going: Things, present: Things, desired: Resources, observed: Observed
) -> Iterable[Action | Waiting]:
    for name, seen in going.items():
        held = [foreign for foreign in observed.foreign if name in foreign.holds]
        users = [n for n, other in present.items() if _keeps(other, name, leaving=n in going)]
        if seen.life is Life.LEAVING:
            yield Waiting(name, f"{kind(seen.resource)} {seen.id} is going")
        elif users:
            yield Waiting(name, f"used by {', '.join(sorted(users)[:3])} until that is gone")
        elif held:
            yield Waiting(name, _held(seen, held[0].id, held[0].kind, held[0].owner), True)  # noqa: FBT003
        elif _may_be_used(seen.resource, observed):
            yield Waiting(name, "what may use it is not visible now")
        elif name not in desired:
            yield Delete(seen, "no longer wanted")
        else:
            yield Delete(seen, f"differs: {drift.difference(desired[name], seen.resource)}")


def _keeps(user: Seen, name: ResourceName, *, leaving: bool) -> bool:
    """A user keeps what it needs; one that leaves itself also what comes before it in order."""
    if not leaving:
        return name in needs(user.resource)
    is_ending = user.life is Life.LEAVING
    return name in (held_by_ending(user.resource) if is_ending else comes_after(user.resource))


def _may_be_used(resource: Resource, observed: Observed) -> bool:
    """Something out of sight may lean on it; on a binding nothing does, whatever a zone hides."""
    if isinstance(resource, VirtualMachine):
        return False
    zone = "" if isinstance(resource, AddressBinding) else None
    return observed.is_blind_at(cloud_of(resource.name), zone)


def _held(seen: Seen, blocker: str, blocker_kind: str, owner: str) -> str:
    return (
        f"{kind(seen.resource)} {seen.id} is held by {blocker_kind} {blocker}, "
        f"which is not ours ({owner})"
    )


def _surplus(observed: Observed) -> Iterable[Action | Waiting]:
    """Second copies go when nothing holds them; a network's second copy has no users of its own."""
    for seen in observed.surplus:
        if seen.life in {Life.GONE, Life.LEAVING}:
            continue
        if observed.is_blind_at(cloud_of(seen.resource.name)):
            yield Waiting(seen.resource.name, f"second copy {seen.id}: not everything is visible")
        else:
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
    return absence.doubt(resource, observed, rules, now) or Create(resource, "missing")


def _pending(seen: Seen) -> Waiting | None:
    """The agent on a machine calls when it is up; of other things only the cloud knows."""
    if seen.life is not Life.PENDING:
        return None
    reason = f"{kind(seen.resource)} {seen.id} is coming up"
    return Waiting(seen.resource.name, reason, is_told=isinstance(seen.resource, VirtualMachine))
