"""Which machines are beyond repair, and the breaker that stops healing when many look so at once.

What the cloud itself declares dead is dead. What only we think is dead needs a second witness,
and counts towards the breaker: blindness must never become a mass replacement.
"""

from dataclasses import dataclass
from datetime import datetime

from holdfast.model.ids import MachineId
from holdfast.model.machine import Machine
from holdfast.model.observed import Life, Observed, Seen
from holdfast.planner.absence import is_over
from holdfast.planner.rules import Rules


@dataclass(frozen=True, slots=True)
class Verdict:
    """A machine that cannot stay. `announced` is True where the cloud itself said so."""

    machine: MachineId
    reason: str
    announced: bool


@dataclass(frozen=True, slots=True)
class Health:
    """What may be written off now, and what the breaker holds back."""

    lost: tuple[Verdict, ...]
    held_back: tuple[Verdict, ...]


def health(observed: Observed, rules: Rules, now: datetime) -> Health:
    """Verdicts on all wanted machines. Nothing is concluded from a listing that failed."""
    verdicts = [
        verdict
        for machine in observed.machines.values()
        if machine.is_wanted and (verdict := _verdict(machine, observed, rules, now))
    ]
    announced = tuple(verdict for verdict in verdicts if verdict.announced)
    suspected = tuple(verdict for verdict in verdicts if not verdict.announced)
    wanted = sum(machine.is_wanted for machine in observed.machines.values())
    if len(suspected) > allowance(wanted, rules):
        return Health(announced, suspected)
    return Health((*announced, *suspected), ())


def allowance(machines: int, rules: Rules) -> int:
    """How many suspected losses may be healed at once: a share of the cluster, at least one."""
    return max(1, int(machines * rules.breaker_fraction))


def _verdict(machine: Machine, observed: Observed, rules: Rules, now: datetime) -> Verdict | None:
    seen = observed.things.get(machine.resource)
    if seen is None:
        return _absence(machine, observed, rules, now)
    if seen.life in {Life.GONE, Life.LEAVING, Life.FAILED}:
        return Verdict(machine.id, _said(seen), announced=True)
    return _silence(machine, observed, rules, now)


def _said(seen: Seen) -> str:
    return f"the cloud says {seen.life.value}" + (f": {seen.evidence}" if seen.evidence else "")


def _absence(machine: Machine, observed: Observed, rules: Rules, now: datetime) -> Verdict | None:
    """Missing from a complete listing: gone only after the window and enough readings."""
    unsure = observed.unsure.get(machine.resource)
    if machine.provider_id is None or unsure is None or observed.blind:
        return None
    if not is_over(unsure.since, unsure.readings, machine.resource, rules, now):
        return None
    reason = f"{machine.provider_id} was missing from {unsure.readings} listings"
    return Verdict(machine.id, reason, announced=False)


def _silence(machine: Machine, observed: Observed, rules: Rules, now: datetime) -> Verdict | None:
    """Running at the cloud, but of no use: never joined, or silent on both of its voices."""
    if machine.joined_at is None:
        started = machine.launched_at
        if started is None or now - started < rules.join_deadline:
            return None
        minutes = int(rules.join_deadline.total_seconds() // 60)
        return Verdict(machine.id, f"did not join within {minutes} minutes", announced=False)
    agent = observed.agents.get(machine.id)
    node = observed.kube.nodes.get(machine.name) if observed.kube else None
    if agent is None or not agent.late or node is None or node.ready or node.ready_since is None:
        return None
    if now - node.ready_since < rules.unhealthy_after:
        return None
    return Verdict(machine.id, "its node is NotReady and its agent is silent", announced=False)
