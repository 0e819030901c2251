"""Control planes: who may join when, which lost etcd members must go, who holds the endpoint.

etcd needs more than half of its members. One member at a time comes or goes, and a lost one is
taken out before its replacement joins: else there are four members with one dead.
"""

from collections.abc import Mapping, Sequence

from holdfast.model.action import RemoveMember, Waiting
from holdfast.model.ids import MachineId
from holdfast.model.machine import Machine
from holdfast.model.observed import AgentSeen, Life, Observed
from holdfast.model.offering import Cloud
from holdfast.model.resource import AddressBinding, Role


def may_join(machine: Machine, machines: Sequence[Machine], endpoint: str | None) -> str | None:
    """None: it may join now. A text: why it must wait.

    `machines` are all machines of the cluster, lost ones included; `endpoint` is the users'
    address, which the API server's certificate must name.
    """
    if not machine.is_wanted:
        return "this machine was written off"
    control_planes = [m for m in machines if m.role is Role.CONTROL_PLANE]
    if endpoint is None:
        return "the cluster's address is not reserved yet"
    if not any(m.joined_at for m in control_planes):
        return _may_initialise(machine, control_planes)
    if not any(m.joined_at for m in control_planes if m.is_wanted):
        return "every control plane is lost; a snapshot must be restored"
    if machine.role is Role.WORKER:
        return None
    return _may_become_member(machine, control_planes)


def initialises(machines: Sequence[Machine]) -> bool:
    """True while no control plane has ever joined: the next one makes the cluster."""
    return not any(m.joined_at for m in machines if m.role is Role.CONTROL_PLANE)


def _may_initialise(machine: Machine, control_planes: Sequence[Machine]) -> str | None:
    if machine.role is Role.WORKER:
        return "the first control plane is not up yet"
    busy = [m for m in control_planes if m.joining_at and m.is_wanted and m.id != machine.id]
    return f"{busy[0].name} is making the cluster" if busy else None


def _may_become_member(machine: Machine, control_planes: Sequence[Machine]) -> str | None:
    lost = lost_members(control_planes)
    if lost:
        return f"the etcd member of {lost[0].name} must be taken out first"
    busy = [
        m
        for m in control_planes
        if m.joining_at and not m.joined_at and m.is_wanted and m.id != machine.id
    ]
    return f"{busy[0].name} is joining; one at a time" if busy else None


def lost_members(machines: Sequence[Machine]) -> list[Machine]:
    """Control planes whose etcd member must go: they were written off, or have left their work."""
    return [
        m
        for m in machines
        if m.role is Role.CONTROL_PLANE
        and (not m.is_wanted or m.drained_at is not None)
        and m.joining_at is not None
        and m.member_removed_at is None
    ]


def living_members(
    machines: Mapping[MachineId, Machine], agents: Mapping[MachineId, AgentSeen]
) -> list[Machine]:
    """Joined control planes whose agent is heard, in the order in which they joined."""
    living = [
        m
        for m in machines.values()
        if m.role is Role.CONTROL_PLANE
        and m.is_wanted
        and m.joined_at is not None
        and m.id in agents
        and not agents[m.id].late
    ]
    return sorted(living, key=lambda m: (m.joined_at, m.id))


def removals(observed: Observed) -> list[RemoveMember | Waiting]:
    """Orders to take lost members out, as far as quorum allows; computed after the step.

    One that was lost before it joined has no vote yet: etcd takes new members in as learners.
    """
    machines = list(observed.machines.values())
    lost = lost_members(machines)
    if not lost or initialises(machines):
        return []
    joined = [m for m in machines if m.role is Role.CONTROL_PLANE and m.is_wanted and m.joined_at]
    voters = len(joined) + sum(m.joined_at is not None for m in lost if not m.is_wanted)
    if not has_quorum(len(joined), voters):
        reason = f"quorum lost: {len(joined)} of {voters} members live"
        return [Waiting("etcd", f"{reason}; a snapshot must be restored", on_person=True)]
    living = living_members(observed.machines, observed.agents)
    if not living:
        return [Waiting(m.name, "no living control plane can take its member out") for m in lost]
    if not has_quorum(len(living), voters):
        return [Waiting("etcd", f"{len(living)} of {voters} members are heard; waiting for more")]
    first = min(lost, key=lambda m: m.is_wanted)  # the dead before those that leave
    through = [m for m in living if m.drained_at is None]
    if not through:
        return [Waiting(first.name, "no control plane that stays can take its member out")]
    word = "leaves" if first.is_wanted else "is lost"
    return [RemoveMember(first.id, through[0].id, f"{first.name} {word}")]


def has_quorum(living: int, members: int) -> bool:
    """More than half of the members live."""
    return living > members // 2


def endpoint_holder(observed: Observed, cloud: Cloud | None) -> Machine | None:
    """The control plane that users shall reach: the present holder while it lives, else another.

    Only one of the address's own `cloud` can hold it; None where there is no address.

    A silent agent is not enough to move the address while the API answers through it: a move
    breaks connections, and with them silences agents. One that leaves hands it on to one that is
    ready. Before anything joined it is the first one that the cloud shows as running.
    """
    members = living_members(observed.machines, observed.agents)
    living = [machine for machine in members if machine.offering.cloud is cloud]
    ready = [m for m in living if m.is_staying and m.ready_at is not None]
    bound = bound_to(observed)
    answers = not living or bound in living or observed.kube is not None
    if bound is not None and bound.is_wanted and answers and (bound.is_staying or not ready):
        return bound
    if living:
        return (ready or living)[0]
    running = [
        m
        for m in observed.machines.values()
        if m.role is Role.CONTROL_PLANE
        and m.offering.cloud is cloud
        and m.is_wanted
        and _is_running(m, observed)
    ]
    return min(running, key=lambda m: (m.chosen_at, m.id), default=None)


def bound_to(observed: Observed) -> Machine | None:
    """The control plane that the users' address leads to now."""
    for seen in observed.things.values():
        if isinstance(seen.resource, AddressBinding) and seen.life is not Life.GONE:
            name = seen.resource.machine
            return next((m for m in observed.machines.values() if m.resource == name), None)
    return None


def _is_running(machine: Machine, observed: Observed) -> bool:
    seen = observed.things.get(machine.resource)
    return seen is not None and seen.life is Life.PRESENT
