"""Which machines are beyond repair: what the cloud declares dead, and what only looks broken.

What the cloud itself declares dead is dead. What only we think is dead needs a second witness,
and counts towards the breaker: blindness must never become a mass replacement.
"""

from dataclasses import dataclass
from datetime import datetime

from holdfast.model.ids import MachineId
from holdfast.model.machine import Machine
from holdfast.model.observed import Life, Observed, Seen
from holdfast.planner import breaker
from holdfast.planner.absence import is_over
from holdfast.planner.breaker import Open, Suspect
from holdfast.planner.rules import Rules

HALF = 2  # of the join deadline is over: it counts towards the breaker from then on


@dataclass(frozen=True, slots=True)
class Verdict:
    """A machine that cannot stay. `announced` is True where the cloud itself said so."""

    machine: MachineId
    reason: str
    announced: bool


@dataclass(frozen=True, slots=True)
class Health:
    """What may be written off now, and what breakers hold back."""

    lost: tuple[Verdict, ...]
    held_back: tuple[Open, ...]


def health(
    observed: Observed, rules: Rules, now: datetime, released_at: datetime | None = None
) -> Health:
    """Verdicts on all wanted machines. Nothing is concluded from a listing that failed.

    `released_at` is when a user last released the breaker.
    """
    wanted = [machine for machine in observed.machines.values() if machine.is_wanted]
    announced, suspects = [], []
    for machine in wanted:
        seen = observed.things.get(machine.resource)
        if seen is not None and seen.life in {Life.GONE, Life.LEAVING, Life.FAILED}:
            announced.append(Verdict(machine.id, _said(seen), announced=True))
        elif suspect := _suspect(machine, seen, observed, rules, now):
            suspects.append(suspect)
    ripe, held_back = breaker.judge(suspects, wanted, released_at, rules)
    suspected = (Verdict(s.machine.id, s.reason, announced=False) for s in ripe)
    return Health((*announced, *suspected), held_back)


def _said(seen: Seen) -> str:
    return f"the cloud says {seen.life.value}" + (f": {seen.evidence}" if seen.evidence else "")


def _suspect(
    machine: Machine, seen: Seen | None, observed: Observed, rules: Rules, now: datetime
) -> Suspect | None:
    if seen is None:
        return _absence(machine, observed, rules, now)
    if machine.joined_at is None:
        return _unjoined(machine, rules, now)
    return _silence(machine, observed, rules, now)


def _absence(machine: Machine, observed: Observed, rules: Rules, now: datetime) -> Suspect | None:
    """Missing from a complete listing: gone only after the window and enough readings."""
    unsure, place = observed.unsure.get(machine.resource), machine.offering
    if machine.provider_id is None or unsure is None:
        return None
    if observed.is_blind_at(place.cloud, place.zone):
        return None
    reason = f"{machine.provider_id} was missing from {unsure.readings} listings"
    is_ripe = is_over(unsure.since, unsure.readings, machine.resource, rules, now)
    return Suspect(machine, reason, unsure.since, is_ripe)


def _unjoined(machine: Machine, rules: Rules, now: datetime) -> Suspect | None:
    """Running at the cloud, and never became a node."""
    started = machine.launched_at
    if started is None or now - started < rules.join_deadline / HALF:
        return None
    minutes = int(rules.join_deadline.total_seconds() // 60)
    is_ripe = now - started >= rules.join_deadline
    return Suspect(machine, f"did not join within {minutes} minutes", started, is_ripe)


def _silence(machine: Machine, observed: Observed, rules: Rules, now: datetime) -> Suspect | None:
    """Running at the cloud, and silent on both of its voices."""
    agent = observed.agents.get(machine.id)
    node = observed.kube.nodes.get(machine.name) if observed.kube else None
    if agent is None or not agent.late or node is None or node.ready or node.ready_since is None:
        return None
    is_ripe = now - node.ready_since >= rules.unhealthy_after
    reason = "its node is NotReady and its agent is silent"
    return Suspect(machine, reason, node.ready_since, is_ripe)
