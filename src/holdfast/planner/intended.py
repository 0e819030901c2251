"""What a pass would do if it might: the steps of a cluster that is only observed, with prices.

A plan holds what may be done now; what comes behind it shows in the choice of machines.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from holdfast.model.account import Region
from holdfast.model.action import Create, Delete, Plan
from holdfast.model.ids import MachineId
from holdfast.model.machine import Machine
from holdfast.model.observed import Observed, Seen
from holdfast.model.offering import Cloud, OfferingKey
from holdfast.model.resource import VirtualMachine
from holdfast.planner import words
from holdfast.planner.machines import Choice


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `hourly` is what it adds to the price in USD per hour, negative where it saves."""

    action: str
    subject: str
    words: str
    hourly: Decimal = Decimal(0)


Prices = Mapping[OfferingKey, Decimal]


def prices(regions: Mapping[Cloud, Region]) -> Prices:
    """What the known offerings cost per hour."""
    return {offer.key: offer.price for region in regions.values() for offer in region.offerings}


def intended(choice: Choice, observed: Observed, plan: Plan, known: Prices) -> tuple[Step, ...]:
    """The steps: machines that are lost, taken in or new, then the plan's other actions."""
    steps = [
        Step(event.reason, event.subject, event.message, _price(event.subject, choice, known))
        if event.reason == "MachineChosen"
        else Step(event.reason, event.subject, event.message)
        for event in choice.events
    ]
    told = {step.subject for step in steps}
    for action in plan.actions:
        match action:
            case Create(resource=VirtualMachine() as resource) if resource.hostname in told:
                continue
            case Create(resource=VirtualMachine() as resource):
                hourly = known.get(resource.offering, Decimal(0))
            case Delete(seen=seen):
                hourly = -_cost(seen, known)
            case _:
                hourly = Decimal(0)
        name = type(action).__name__
        steps.append(Step(name, words.subject(action), words.done(action), hourly))
    steps += _unwanted_later(choice.machines, observed, plan, known)
    return tuple(steps)


def _unwanted_later(
    machines: Mapping[MachineId, Machine], observed: Observed, plan: Plan, known: Prices
) -> list[Step]:
    """Machines that would go once something else is out of the way."""
    now = {action.seen.id for action in plan.actions if isinstance(action, Delete)}
    wanted = {machine.resource for machine in machines.values() if machine.is_wanted}
    return [
        Step("Delete", name, f"virtual machine {seen.id} goes later", -_cost(seen, known))
        for name, seen in observed.things.items()
        if isinstance(seen.resource, VirtualMachine)
        and seen.life.is_living
        and seen.id not in now
        and name not in wanted
    ]


def _price(name: str, choice: Choice, known: Prices) -> Decimal:
    found = [m.offering for m in choice.changed if m.name == name]
    return known.get(found[0], Decimal(0)) if found else Decimal(0)


def _cost(seen: Seen, known: Prices) -> Decimal:
    if not isinstance(seen.resource, VirtualMachine) or not seen.life.is_living:
        return Decimal(0)
    return known.get(seen.resource.offering, Decimal(0))
