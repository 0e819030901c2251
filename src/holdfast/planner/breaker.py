"""The breaker: when many machines look broken at once, none of them is replaced unasked.

It is judged from the inside out: each zone, then each cloud, then the whole cluster. What an inner
breaker holds back does not count further out, so that one zone's trouble leaves the others alone.
A user's word releases it for every machine whose trouble began before.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from holdfast.model.action import Waiting
from holdfast.model.ids import MachineId
from holdfast.model.machine import Machine
from holdfast.planner.rules import Rules

NAMED = 3  # machines that a message names
Place = tuple[str, ...]  # () the cluster, ("aws",) a cloud, ("aws", "eu-central-1a") a zone


@dataclass(frozen=True, slots=True)
class Suspect:
    """A machine that looks broken, and the cloud does not say so.

    since    when its trouble began
    is_ripe  its time is up: it would be written off now
    """

    machine: Machine
    reason: str
    since: datetime
    is_ripe: bool


@dataclass(frozen=True, slots=True)
class Open:
    """A breaker that is open: where, what it holds back, and out of how many."""

    place: Place
    suspects: tuple[Suspect, ...]
    machines: int
    allowed: int

    @property
    def waiting(self) -> Waiting:
        """As plans and events show it, with what a user can do."""
        named = ", ".join(f"{s.machine.name} ({s.reason})" for s in self.suspects[:NAMED])
        more = len(self.suspects) - NAMED
        named += f" and {more} more" if more > 0 else ""
        reason = (
            f"{len(self.suspects)} of {self.machines} machines of {words(self.place)} look broken "
            f"at once, {self.allowed} may be replaced unasked, so none is: {named}; "
            "they are healed when they answer again, or replaced once somebody says why: "
            "holdfast cluster release-breaker --reason"
        )
        return Waiting("/".join(("breaker", *self.place)), reason, on_person=True)


def words(place: Place) -> str:
    """A place for people."""
    match place:
        case ():
            return "the cluster"
        case (cloud,):
            return cloud
        case _:
            return f"zone {place[1]} of {place[0]}"


def allowance(machines: int, rules: Rules) -> int:
    """How many suspected losses may be healed at once: a share of the machines, at least one."""
    return max(1, int(machines * rules.breaker_fraction))


def judge(
    suspects: Sequence[Suspect],
    wanted: Iterable[Machine],
    released_at: datetime | None,
    rules: Rules,
) -> tuple[tuple[Suspect, ...], tuple[Open, ...]]:
    """Who may be written off now, and the breakers that are open.

    Those whose time is not up count as well: machines that broke together never ripen together.
    """
    released = [s for s in suspects if released_at is not None and s.since <= released_at]
    left = {s.machine.id: s for s in suspects if s not in released}
    places = [place_of(machine) for machine in wanted]
    found: list[Open] = []
    for depth in (2, 1, 0):
        for place, group in _grouped(left, depth).items():
            machines = sum(other[:depth] == place for other in places)
            allowed = allowance(machines, rules)
            is_open = len(group) > allowed and any(s.is_ripe for s in group)
            if is_open:
                found.append(Open(place, tuple(group), machines, allowed))
                left = {i: s for i, s in left.items() if s not in group}
    ripe = tuple(s for s in (*released, *left.values()) if s.is_ripe)
    return ripe, tuple(found)


def place_of(machine: Machine) -> Place:
    """Cloud and zone of a machine."""
    return (machine.offering.cloud.value, machine.offering.zone)


def _grouped(suspects: Mapping[MachineId, Suspect], depth: int) -> dict[Place, list[Suspect]]:
    groups: dict[Place, list[Suspect]] = {}
    for suspect in suspects.values():
        groups.setdefault(place_of(suspect.machine)[:depth], []).append(suspect)
    return groups
