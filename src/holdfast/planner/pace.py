"""Not the same call again and again: what was refused waits, longer each time.

Kept in memory: a restart costs one try. What a cloud accepted but does not show yet waits by its
saved intent instead (`absence`), and a sold-out offering until its drought is over.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from holdfast.model.action import (
    Action,
    Create,
    Delete,
    DeleteNode,
    Drain,
    Plan,
    RemoveMember,
    Result,
    Waiting,
)
from holdfast.model.offering import OfferingKey
from holdfast.model.resource import VirtualMachine
from holdfast.planner.words import identity, subject


@dataclass(frozen=True, slots=True)
class Gap:
    """Between two tries: the first one, the longest, and from which one on users are told.

    `on_person` is True where a person has to do something.
    """

    first: timedelta
    longest: timedelta
    shown: timedelta = timedelta(0)
    on_person: bool = False


_SECOND, _MINUTE, _HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
ACCEPTED = Gap(2 * _SECOND, _MINUTE, _HOUR)  # asked to go, and still shown
GAPS: Mapping[str, Gap] = {
    "Unavailable": Gap(_SECOND, 30 * _SECOND, 4 * _SECOND),
    "Throttled": Gap(_SECOND, 30 * _SECOND, 4 * _SECOND),
    "OutcomeUnknown": Gap(_SECOND, 30 * _SECOND, 4 * _SECOND),
    "CapacityUnavailable": Gap(_SECOND, _MINUTE, _HOUR),  # its drought says more
    "QuotaExceeded": Gap(_MINUTE, 6 * _HOUR, on_person=True),
    "CredentialsRejected": Gap(5 * _SECOND, 30 * _SECOND, on_person=True),
    "NotFound": Gap(_SECOND, _MINUTE, 4 * _SECOND),
    "Conflict": Gap(5 * _SECOND, 5 * _MINUTE, on_person=True),
    "DependencyHeld": Gap(_SECOND, _MINUTE, 8 * _SECOND, on_person=True),
    "RequestRejected": Gap(_MINUTE, _HOUR, on_person=True),
    "KubeUnreachable": Gap(_SECOND, 15 * _SECOND, _HOUR),
    "Waiting": Gap(1.5 * _SECOND, 5 * _SECOND, _HOUR),
}


@dataclass(frozen=True, slots=True)
class Pause:
    """Until when an action waits. `error` is empty for one that was accepted."""

    subject: str
    error: str
    reason: str
    gap: timedelta
    until: datetime

    @property
    def is_shown(self) -> bool:
        """It lasts: users should know."""
        return bool(self.error) and self.gap >= GAPS[self.error].shown

    @property
    def on_person(self) -> bool:
        """It lasts and nobody but a person can end it."""
        return self.is_shown and GAPS[self.error].on_person

    @property
    def waiting(self) -> Waiting:
        """As plans show it."""
        return Waiting(self.subject, self.reason, self.on_person)


Pauses = Mapping[str, Pause]  # by the identity of the action


def paced(plan: Plan, pauses: Pauses, sold_out: Collection[OfferingKey], now: datetime) -> Plan:
    """The plan without what must not be asked for again yet; that waits instead."""
    actions, waiting = [], list(plan.waiting)
    for action in plan.actions:
        pause = pauses.get(identity(action))
        if pause is not None and now < pause.until:
            waiting.append(pause.waiting)
        elif _is_sold_out(action, sold_out):
            waiting.append(Waiting(subject(action), "its offering is sold out; asked for later"))
        else:
            actions.append(action)
    return Plan(tuple(actions), tuple(waiting))


def after(
    before: Pauses, wanted: Sequence[Action], results: Sequence[Result], now: datetime
) -> Pauses:
    """The pauses after a pass; those of actions that no plan wants any more are forgotten."""
    kept = {identity(action) for action in wanted}
    pauses = {name: pause for name, pause in before.items() if name in kept}
    for result in results:
        name = identity(result.action)
        gap = _gap(result)
        if gap is None:
            pauses.pop(name, None)
        else:
            pauses[name] = _longer(before.get(name), result, gap, now)
    return pauses


def _gap(result: Result) -> Gap | None:
    if result.error:
        return GAPS.get(result.error, GAPS["Unavailable"])
    match result.action:
        case Delete() | DeleteNode():
            return ACCEPTED
        case Create() | Drain() | RemoveMember():
            return None


def _longer(before: Pause | None, result: Result, gap: Gap, now: datetime) -> Pause:
    error = result.error if result.error in GAPS or not result.error else "Unavailable"
    is_same = before is not None and before.error == error
    length = min(before.gap * 2, gap.longest) if before and is_same else gap.first
    reason = result.message or "was asked to go and is still shown"
    return Pause(subject(result.action), error, reason, length, now + length)


def _is_sold_out(action: Action, sold_out: Collection[OfferingKey]) -> bool:
    return (
        isinstance(action, Create)
        and isinstance(action.resource, VirtualMachine)
        and action.resource.offering in sold_out
    )
