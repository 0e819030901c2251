"""Invariants of any plan, checked apart from the planner: raises, never repairs."""

from holdfast.model.action import Create, Delete, Plan, RemoveMember
from holdfast.model.cluster import Cluster
from holdfast.model.ids import InstallationId
from holdfast.model.observed import Observed
from holdfast.model.resource import Role, VirtualMachine


class PlanRefused(Exception):
    """A plan breaks an invariant: our bug. Nothing of it is carried out."""


def invariants(
    plan: Plan, observed: Observed, cluster: Cluster, installation: InstallationId
) -> None:
    """Raise PlanRefused, naming the first broken invariant."""
    for action in plan.actions:
        match action:
            case Create(resource=resource):
                _create(observed, resource.name, type(resource).__name__)
            case Delete():
                _delete(action, cluster, installation, observed)
            case _:
                pass
    _one_voter(plan, observed)


def _create(observed: Observed, name: str, kind: str) -> None:
    seen = observed.things.get(name)  # type: ignore[call-overload]
    if seen is not None and seen.life.value in {"pending", "present"}:
        raise PlanRefused(f"I1: would make {name}, which is there as {seen.id}")
    if any(not blind.kinds or kind in blind.kinds for blind in observed.blind):
        raise PlanRefused(f"I14: would make {name} while blind to {kind}")


def _delete(
    action: Delete, cluster: Cluster, installation: InstallationId, observed: Observed
) -> None:
    seen = action.seen
    if seen.cluster != cluster.id or seen.installation != installation:
        raise PlanRefused(f"I3: would delete {seen.id}, which is not of this cluster")
    if not isinstance(seen.resource, VirtualMachine) or cluster.is_deleting:
        return
    machine = observed.machines.get(seen.resource.machine)
    if machine is not None and machine.is_wanted and seen not in observed.surplus:
        differs = seen.resource.name in observed.things
        if not differs:
            raise PlanRefused(f"I14: would delete {machine.name}, which is wanted")


def _one_voter(plan: Plan, observed: Observed) -> None:
    """At most one etcd member changes in a pass, and none goes that quorum needs."""
    removals = [action for action in plan.actions if isinstance(action, RemoveMember)]
    if len(removals) > 1:
        raise PlanRefused("I6: would take more than one etcd member out at once")
    for removal in removals:
        lost = observed.machines[removal.lost]
        if lost.is_wanted or lost.role is not Role.CONTROL_PLANE:
            raise PlanRefused(f"I6: would take out the member of {lost.name}, which was not lost")
        living = [
            m
            for m in observed.machines.values()
            if m.role is Role.CONTROL_PLANE and m.is_wanted and m.joined_at
        ]
        if not living:
            raise PlanRefused("I6: no member would be left")
