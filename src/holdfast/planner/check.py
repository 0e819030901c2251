"""Invariants of any plan, checked apart from the planner: raises, never repairs."""

from collections.abc import Iterable

from holdfast.model.action import Create, Delete, Plan, RemoveMember
from holdfast.model.cluster import Cluster
from holdfast.model.ids import InstallationId, ResourceName
from holdfast.model.machine import Machine
from holdfast.model.observed import Blind, Observed
from holdfast.model.resource import (
    AddressBinding,
    Resource,
    Role,
    Subnet,
    VirtualMachine,
)


class PlanRefused(Exception):
    """A plan breaks an invariant: our bug. Nothing of it is carried out."""


def invariants(
    plan: Plan, observed: Observed, cluster: Cluster, installation: InstallationId
) -> None:
    """Raise PlanRefused, naming the first broken invariant."""
    for action in plan.actions:
        match action:
            case Create(resource=resource):
                _create(observed, resource)
            case Delete():
                _delete(action, cluster, installation, observed)
            case _:
                pass
    if not cluster.is_deleting:
        _one_machine(plan, observed)
    _one_voter(plan, observed)


def _create(observed: Observed, resource: Resource) -> None:
    name, kind = resource.name, type(resource).__name__
    seen = observed.things.get(name)
    if seen is not None and seen.life.value in {"pending", "present"}:
        raise PlanRefused(f"I1: would make {name}, which is there as {seen.id}")
    if any(
        (not blind.kinds or kind in blind.kinds)
        and (blind.cloud is None or name.startswith(f"{blind.cloud.value}/"))
        and (not blind.zone or blind.zone == _zone(resource))
        for blind in observed.blind
    ):
        raise PlanRefused(f"I14: would make {name} while blind to {kind}")


def _delete(
    action: Delete, cluster: Cluster, installation: InstallationId, observed: Observed
) -> None:
    seen = action.seen
    if seen.cluster != cluster.id or seen.installation != installation:
        raise PlanRefused(f"I3: would delete {seen.id}, which is not of this cluster")
    if observed.things.get(seen.resource.name) != seen and seen not in observed.surplus:
        raise PlanRefused(f"I3: would delete {seen.id}, which was not seen")
    hiding = _blind_in(observed, seen.resource.name)
    if isinstance(seen.resource, AddressBinding):
        hiding = [blind for blind in hiding if not blind.zone]  # nothing leans on a binding
    if hiding and not isinstance(seen.resource, VirtualMachine):
        raise PlanRefused(f"I14: would delete {seen.id} while its users may be out of sight")


def _one_machine(plan: Plan, observed: Observed) -> None:
    """Of the machines that are wanted and live at most one goes in a pass, and never blindly."""
    wanted = {m.resource: m for m in observed.machines.values() if m.is_wanted}
    going = [
        wanted[action.seen.resource.name]
        for action in plan.actions
        if isinstance(action, Delete)
        and action.seen.resource.name in wanted
        and action.seen.life.value in {"pending", "present"}
        and action.seen not in observed.surplus
    ]
    if len(going) > 1:
        raise PlanRefused(f"I16: would delete {len(going)} machines at once that are wanted")
    for machine in going:
        if _blind_in(observed, machine.resource):
            raise PlanRefused(f"I14: would delete {machine.name} while blind")
        if machine.role is Role.CONTROL_PLANE and machine.joining_at is not None:
            _can_spare(machine, wanted.values())


def _zone(resource: Resource) -> str:
    match resource:
        case VirtualMachine(offering=offering):
            return offering.zone
        case Subnet(zone=zone):
            return zone
        case _:
            return ""


def _blind_in(observed: Observed, name: ResourceName) -> list[Blind]:
    """What could not be read of the cloud of that name."""
    return [b for b in observed.blind if b.cloud is None or name.startswith(f"{b.cloud.value}/")]


def _can_spare(machine: Machine, wanted: Iterable[Machine]) -> None:
    members = [m for m in wanted if m.role is Role.CONTROL_PLANE]
    left = sum(m.joined_at is not None for m in members if m.id != machine.id)
    if 2 * left <= len(members):
        raise PlanRefused(f"I6: would delete {machine.name} and leave {left} of {len(members)}")


def _one_voter(plan: Plan, observed: Observed) -> None:
    """At most one etcd member changes in a pass, and none goes that quorum needs."""
    removals = [action for action in plan.actions if isinstance(action, RemoveMember)]
    if len(removals) > 1:
        raise PlanRefused("I6: would take more than one etcd member out at once")
    for removal in removals:
        lost = observed.machines[removal.lost]
        if lost.role is not Role.CONTROL_PLANE or (lost.is_wanted and lost.drained_at is None):
            raise PlanRefused(f"I6: would take out the member of {lost.name}, which was not lost")
        living = [
            m
            for m in observed.machines.values()
            if m.role is Role.CONTROL_PLANE and m.is_wanted and m.joined_at and m.id != lost.id
        ]
        if not living:
            raise PlanRefused("I6: no member would be left")
