"""What a pass learns about machines from what it saw: ids, addresses, readiness, their end."""

from dataclasses import replace
from datetime import datetime

from holdfast.model.event import NewEvent
from holdfast.model.machine import Machine
from holdfast.model.observed import Life, Observed, Seen
from holdfast.model.resource import VirtualMachine
from holdfast.planner.absence import is_over
from holdfast.planner.rules import Rules


def learned(
    observed: Observed, rules: Rules, now: datetime
) -> tuple[tuple[Machine, ...], tuple[NewEvent, ...]]:
    """Machines whose facts changed, and what to tell about it."""
    changed, events = [], []
    for machine in observed.machines.values():
        after = _ended(
            _ready(_launched(machine, observed, now), observed, now), observed, rules, now
        )
        if after != machine:
            changed.append(after)
            events += _told(machine, after)
    return tuple(changed), tuple(events)


def _launched(machine: Machine, observed: Observed, now: datetime) -> Machine:
    seen = observed.things.get(machine.resource)
    if seen is None or not isinstance(seen.resource, VirtualMachine):
        return machine
    return replace(
        machine,
        provider_id=machine.provider_id or seen.id,
        launched_at=machine.launched_at or now,
        private_ip=seen.private_ip or machine.private_ip,
        public_ip=_public(machine, seen),
    )


def _public(machine: Machine, seen: Seen) -> str | None:
    """The present public address; a machine that goes keeps its last one for the record."""
    return seen.public_ip if seen.life is Life.PRESENT else machine.public_ip


def _ready(machine: Machine, observed: Observed, now: datetime) -> Machine:
    """Readiness follows the Node object; while the cluster's API is silent nothing changes."""
    if observed.kube is None or machine.joined_at is None:
        return machine
    node = observed.kube.nodes.get(machine.name)
    if node is not None and node.ready:
        return replace(machine, ready_at=machine.ready_at or now)
    return replace(machine, ready_at=None)


def _ended(machine: Machine, observed: Observed, rules: Rules, now: datetime) -> Machine:
    """A written-off machine is gone when the cloud says so, or when it was missing long enough."""
    if machine.is_wanted or machine.gone_at is not None:
        return machine
    seen = observed.things.get(machine.resource)
    if seen is not None:
        return replace(machine, gone_at=now) if seen.life is Life.GONE else machine
    unsure = observed.unsure.get(machine.resource)
    if observed.is_blind_at(machine.offering.cloud, machine.offering.zone):
        return machine
    if unsure is None or is_over(unsure.since, unsure.readings, machine.resource, rules, now):
        return replace(machine, gone_at=now)
    return machine


def _told(before: Machine, after: Machine) -> list[NewEvent]:
    cloud = f"[{after.offering.cloud.value.upper()}]"
    told = []
    if before.provider_id is None and after.provider_id is not None:
        told.append(NewEvent("MachineCreated", f"{cloud} VM created name={after.name}", after.name))
    if before.ready_at is None and after.ready_at is not None:
        told.append(NewEvent("NodeReady", f"[Cluster] node={after.name} is ready", after.name))
    if before.ready_at is not None and after.ready_at is None and after.is_wanted:
        told.append(
            NewEvent("NodeNotReady", f"[Cluster] node={after.name} is not ready", after.name)
        )
    if before.gone_at is None and after.gone_at is not None:
        told.append(NewEvent("MachineGone", f"{cloud} VM gone name={after.name}", after.name))
    return told
