"""What it means that a thing is not visible: it may be there, it may come, or it is gone."""

from datetime import datetime, timedelta

from holdfast.model.action import Waiting
from holdfast.model.ids import ResourceName
from holdfast.model.names import cloud_of
from holdfast.model.observed import Observed, Unsure
from holdfast.model.resource import Resource, VirtualMachine, is_doubled_by_repeat
from holdfast.planner.rules import Rules

# Shares of the window after which a harmless call is repeated: the first repeat, the second.
REPEATS = (1 / 30, 1 / 5)
ALARM = 10  # windows between two further calls once a person was told


def is_over(
    since: datetime, readings: int, name: ResourceName, rules: Rules, now: datetime
) -> bool:
    """True when a thing has been missing for the window and in enough readings: it is gone."""
    return now - since >= rules.window(cloud_of(name)) and readings >= rules.gone_readings


def doubt(resource: Resource, observed: Observed, rules: Rules, now: datetime) -> Waiting | None:
    """Why a thing that is not visible may still be there, or must not be asked for again now."""
    unsure = observed.unsure.get(resource.name)
    if isinstance(resource, VirtualMachine):
        machine = observed.machines.get(resource.machine)
        if machine is not None and machine.provider_id is not None:
            return Waiting(resource.name, f"{machine.provider_id} is not visible at the cloud now")
    if unsure is None:
        return None
    elapsed, window = now - unsure.since, rules.window(cloud_of(resource.name))
    if unsure.calls >= rules.creates_per_intent and elapsed < _pause(unsure, rules, window):
        reason = f"asked for {unsure.calls} times without becoming visible; look at the account"
        return Waiting(resource.name, reason, on_person=elapsed >= window)
    is_doubled = is_doubled_by_repeat(resource)
    if is_doubled and not is_over(unsure.since, unsure.readings, resource.name, rules, now):
        return Waiting(resource.name, "may be there already; waiting for the cloud to show it")
    lately = _lately(unsure, elapsed, rules, window)
    return Waiting(resource.name, f"{lately}; waiting for the cloud to show it") if lately else None


def _lately(unsure: Unsure, elapsed: timedelta, rules: Rules, window: timedelta) -> str:
    """What happened so short a time ago that listings may not have settled; empty: nothing."""
    if unsure.calls:
        return "asked for" if elapsed < _pause(unsure, rules, window) else ""
    return "was shown a moment ago" if unsure.is_young and elapsed < window * REPEATS[0] else ""


def _pause(unsure: Unsure, rules: Rules, window: timedelta) -> timedelta:
    """How long after the last call the next one may follow; it grows with the calls made."""
    beyond = unsure.calls - rules.creates_per_intent
    if beyond >= 0:
        return window * ALARM * (beyond + 1)
    return window * REPEATS[min(unsure.calls, len(REPEATS)) - 1]
