"""Machines: chosen and saved before the cloud is asked, and what became of them."""

from dataclasses import fields
from typing import Any

from sqlalchemy import RowMapping, select

from holdfast.model.ids import ClusterId, MachineId
from holdfast.model.machine import Machine
from holdfast.model.offering import CapacityType, Cloud, OfferingKey
from holdfast.model.resource import Role
from holdfast.store.database import Tx
from holdfast.store.tables import machines

_ROW = machines.c
_PLAIN = tuple(each.name for each in fields(Machine) if each.name not in {"role", "offering"})


class Machines:
    """The rows of machines. A row is never removed: an id is never used twice."""

    async def save(self, tx: Tx, *saved: Machine) -> None:
        """Insert or replace, by id; in a pass inside a guarded transaction."""
        await tx.upsert(machines, [_row(machine) for machine in saved])

    async def get(self, tx: Tx, machine_id: MachineId) -> Machine | None:
        """One machine, whatever became of it."""
        row = await tx.row(select(machines).where(_ROW.id == machine_id))
        return None if row is None else _machine(row)

    async def of_cluster(
        self, tx: Tx, cluster: ClusterId, *, gone: bool = False
    ) -> tuple[Machine, ...]:
        """A cluster's machines in the order in which they were chosen; with `gone`, those too."""
        query = select(machines).where(_ROW.cluster == cluster)
        if not gone:
            query = query.where(_ROW.gone_at.is_(None))
        rows = await tx.rows(query.order_by(_ROW.chosen_at, _ROW.id))
        return tuple(_machine(row) for row in rows)

    async def by_cluster(self, tx: Tx) -> dict[ClusterId, tuple[Machine, ...]]:
        """The machines of all clusters that are not gone, in one query."""
        query = select(machines).where(_ROW.gone_at.is_(None)).order_by(_ROW.chosen_at, _ROW.id)
        found: dict[ClusterId, list[Machine]] = {}
        for row in await tx.rows(query):
            found.setdefault(ClusterId(row["cluster"]), []).append(_machine(row))
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


def _machine(row: RowMapping) -> Machine:
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
