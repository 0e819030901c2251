"""Drift: what differs from what is wanted, and which machine may leave for it, one at a time.

A thing that differs is replaced at once. A machine carries work: it leaves only while all others
are well, and a control plane only where the rest keeps the quorum.
"""

from collections.abc import Mapping, Sequence

from holdfast.model.action import Waiting
from holdfast.model.ids import ResourceName
from holdfast.model.machine import Machine
from holdfast.model.observed import Observed, Seen
from holdfast.model.resource import Resource, Role, kind
from holdfast.model.spec import NodeRequest
from holdfast.planner.control_plane import has_quorum


def outdated(machine: Machine, request: NodeRequest) -> str:
    """What about a machine is not as its request or a user wants it now; empty when it is.

    A newer image or a larger type than the shape asks for is no difference: nobody asked for a
    change. `docs/decisions/0008` says why.
    """
    if machine.replace_reason is not None:
        return f"replacement was asked for: {machine.replace_reason}"
    key = machine.offering
    wanted = (
        ("instance type", request.instance_type or key.instance_type, key.instance_type),
        ("capacity type", request.capacity_type.value, key.capacity_type.value),
        ("cloud", request.cloud.value, key.cloud.value),
    )
    found = [f"{field}: wanted {to}, has {at}" for field, to, at in wanted if to != at]
    return "; ".join(found)


def difference(wanted: Resource, found: Resource) -> str:
    """`field: wanted X, found Y` of the first fields that differ."""
    if type(wanted) is not type(found):
        return f"wanted a {kind(wanted)}, found a {kind(found)}"
    fields = [
        f"{field}: wanted {getattr(wanted, field)}, found {getattr(found, field)}"
        for field in wanted.__dataclass_fields__
        if getattr(wanted, field) != getattr(found, field)
    ]
    return "; ".join(fields[:3]) or "it leans on something that must be replaced"


def staying(
    going: Mapping[ResourceName, Seen], observed: Observed
) -> Mapping[ResourceName, Waiting]:
    """Wanted machines whose running VM must be replaced, and why each stays for now.

    All but one of those that could leave are among them.
    """
    wanted = [m for m in observed.machines.values() if m.is_wanted]
    leaving = [m for m in wanted if m.resource in going and _is_running(going[m.resource])]
    waits = {m.resource: _why_stay(m, wanted, observed) for m in leaving}
    free = sorted(name for name, wait in waits.items() if wait is None)
    return {
        name: wait or Waiting(name, "differs; another machine is replaced first")
        for name, wait in waits.items()
        if name not in free[:1]
    }


def _is_running(seen: Seen) -> bool:
    return seen.life.is_living


def _why_stay(machine: Machine, wanted: Sequence[Machine], observed: Observed) -> Waiting | None:
    name = machine.resource
    if observed.is_blind_at(machine.offering.cloud):
        return Waiting(name, "differs; not everything is visible now")
    if machine.joining_at is None:
        return None  # it is of no use yet, and no member of etcd
    if observed.kube is None:
        return Waiting(name, "differs; it stays while the cluster's API does not answer")
    unready = [m.name for m in wanted if m.ready_at is None and m.id != machine.id]
    if unready:
        return Waiting(name, f"differs; it stays while {unready[0]} is not ready")
    members = sum(m.role is Role.CONTROL_PLANE for m in wanted)
    if machine.role is Role.CONTROL_PLANE and not has_quorum(members - 1, members):
        reason = f"differs; with {members} control planes none can be spared"
        return Waiting(name, reason, on_person=True)
    return None
