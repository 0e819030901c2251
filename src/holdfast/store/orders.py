"""Orders to machines: what a living agent shall do, carried in the answers to its call-backs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, or_, select, update

from holdfast.clock import Clock
from holdfast.model.ids import ClusterId, MachineId
from holdfast.store.codec import canonical
from holdfast.store.database import Tx
from holdfast.store.tables import orders

_ROW = orders.c


@dataclass(frozen=True, slots=True)
class Order:
    """`ok` is None until the agent reported; `message` is what it said then."""

    id: str
    cluster: ClusterId
    machine: MachineId
    kind: str
    arguments: Mapping[str, Any]
    created_at: datetime
    done_at: datetime | None = None
    ok: bool | None = None
    message: str = ""


class Orders:
    """The rows of orders."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def add(self, tx: Tx, order: Order) -> Order:
        """The order, or the one like it that is pending or was carried out well.

        Alike are orders of the same machine, kind and arguments; a failed one may be given again.
        """
        arguments = canonical(dict(order.arguments))
        row = await tx.row(
            select(orders).where(
                _ROW.machine == order.machine,
                _ROW.kind == order.kind,
                _ROW.arguments == arguments,
                or_(_ROW.done_at.is_(None), _ROW.ok.is_(True)),
            )
        )
        if row is not None:
            return _order(row)
        await tx.insert(
            orders,
            [
                {
                    "id": order.id,
                    "cluster": order.cluster,
                    "machine": order.machine,
                    "kind": order.kind,
                    "arguments": arguments,
                    "created_at": order.created_at,
                    "done_at": order.done_at,
                    "ok": order.ok,
                    "message": order.message,
                }
            ],
        )
        return order

    async def pending(self, tx: Tx, machine: MachineId) -> tuple[Order, ...]:
        """What the machine's agent has not reported on, oldest first."""
        query = select(orders).where(_ROW.machine == machine, _ROW.done_at.is_(None))
        return tuple(_order(row) for row in await tx.rows(_oldest_first(query)))

    async def done(
        self,
        tx: Tx,
        order_id: str,
        ok: bool,  # noqa: FBT001  (what the agent reports)
        message: str,
        *,
        machine: MachineId | None = None,
    ) -> Order | None:
        """It was reported on; the first report counts. None: there is no such order.

        With `machine`, only an order of that machine: an agent reports on no one else's.
        """
        meant = _ROW.id == order_id
        if machine is not None:
            meant = meant & (_ROW.machine == machine)
        await tx.run(
            update(orders)
            .where(meant, _ROW.done_at.is_(None))
            .values(done_at=self._clock.now(), ok=ok, message=message)
        )
        row = await tx.row(select(orders).where(meant))
        return None if row is None else _order(row)

    async def of_cluster(self, tx: Tx, cluster: ClusterId) -> tuple[Order, ...]:
        """All orders of a cluster, oldest first."""
        query = select(orders).where(_ROW.cluster == cluster)
        return tuple(_order(row) for row in await tx.rows(_oldest_first(query)))


def _oldest_first(query: Any) -> Any:
    return query.order_by(_ROW.created_at, _ROW.id)


def _order(row: RowMapping) -> Order:
    return Order(**{**row, "arguments": json.loads(row["arguments"])})
