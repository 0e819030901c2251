"""Machines: chosen and saved before the cloud is asked, and what became of them."""

from dataclasses import fields
from typing import Any

from sqlalchemy import bindparam, select

from holdfast.model.ids import ClusterId, MachineId
from holdfast.model.machine import Machine
from holdfast.model.offering import CapacityType, Cloud, OfferingKey
from holdfast.model.resource import Role
from holdfast.store.database import Tx
from holdfast.store.session import Row
from holdfast.store.tables import machines

_ROW = machines.c
_GET = select(machines).where(_ROW.id == bindparam("of"))
_IN_ORDER = select(machines).order_by(_ROW.chosen_at, _ROW.id)
_OF_CLUSTER = _IN_ORDER.where(_ROW.cluster == bindparam("of"))
_LIVING_OF_CLUSTER = _OF_CLUSTER.where(_ROW.gone_at.is_(None))
_CONTROL_PLANES = _OF_CLUSTER.where(_ROW.role == Role.CONTROL_PLANE.value)
_LIVING = _IN_ORDER.where(_ROW.gone_at.is_(None))
_PLAIN = tuple(each.name for each in fields(Machine) if each.name not in {"role", "offering"})


class Machines:
    """The rows of machines. A row is never removed: an id is never used twice."""

    async def save(self, tx: Tx, *saved: Machine) -> None:
        """Insert or replace, by id; in a pass inside a guarded transaction."""
        await tx.upsert(machines, [_row(machine) for machine in saved])
        tx.changed.update(machine.cluster for machine in saved)

    async def get(self, tx: Tx, machine_id: MachineId) -> Machine | None:
        """One machine, whatever became of it."""
        return await tx.value(_GET, _machine, of=machine_id)

    async def of_cluster(
        self, tx: Tx, cluster: ClusterId, *, gone: bool = False
    ) -> tuple[Machine, ...]:
        """A cluster's machines in the order in which they were chosen; with `gone`, those too."""
        query = _OF_CLUSTER if gone else _LIVING_OF_CLUSTER
        return tuple(await tx.values(query, _machine, of=cluster))

    async def control_planes(self, tx: Tx, cluster: ClusterId) -> tuple[Machine, ...]:
        """A cluster's control planes, gone ones too, in the order in which they were chosen."""
        rows = await tx.rows(_CONTROL_PLANES, of=cluster)
        return tuple(_machine(row) for row in rows)

    async def by_cluster(self, tx: Tx) -> dict[ClusterId, tuple[Machine, ...]]:
        """The machines of all clusters that are not gone, in one query."""
        found: dict[ClusterId, list[Machine]] = {}
        for machine in await tx.values(_LIVING, _machine):
            found.setdefault(machine.cluster, []).append(machine)
        return {cluster: tuple(members) for cluster, members in found.items()}


def _row(machine: Machine) -> dict[str, Any]:
    key = machine.offering
    return {
        **{name: getattr(machine, name) for name in _PLAIN},
        "role": machine.role.value,
        "cloud": key.cloud.value,
        "region": key.region,
        "zone": key.zone,
        "instance_type": key.instance_type,
        "capacity_type": key.capacity_type.value,
    }


def _machine(row: Row) -> Machine:
    return Machine(
        **{name: row[name] for name in _PLAIN},
        role=Role(row["role"]),
        offering=OfferingKey(
            cloud=Cloud(row["cloud"]),
            region=row["region"],
            zone=row["zone"],
            instance_type=row["instance_type"],
            capacity_type=CapacityType(row["capacity_type"]),
        ),
    )
