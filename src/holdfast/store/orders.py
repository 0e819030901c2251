"""Orders to machines: what a living agent shall do, carried in the answers to its call-backs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, or_, select, update

from holdfast.clock import Clock
from holdfast.model.ids import ClusterId, MachineId
from holdfast.store.codec import canonical
from holdfast.store.database import Tx
from holdfast.store.session import Row
from holdfast.store.tables import orders

_ROW = orders.c
_ALIKE = select(orders).where(
    _ROW.machine == bindparam("to"),
    _ROW.kind == bindparam("meant"),
    _ROW.arguments == bindparam("with"),
    or_(_ROW.done_at.is_(None), _ROW.ok.is_(True)),
)
_IN_ORDER = select(orders).order_by(_ROW.created_at, _ROW.id)
_PENDING = _IN_ORDER.where(_ROW.machine == bindparam("to"), _ROW.done_at.is_(None))
_OF_CLUSTER = _IN_ORDER.where(_ROW.cluster == bindparam("of"))
_GET = select(orders).where(_ROW.id == bindparam("which"))
_GET_OF_MACHINE = _GET.where(_ROW.machine == bindparam("to"))
_REPORT = update(orders).where(_ROW.id == bindparam("which"), _ROW.done_at.is_(None))
_REPORT_OF_MACHINE = _REPORT.where(_ROW.machine == bindparam("to"))


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
        alike = {"to": order.machine, "meant": order.kind, "with": arguments}
        row = await tx.row(_ALIKE, **alike)
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
        tx.changed.add(order.cluster)
        return order

    async def pending(self, tx: Tx, machine: MachineId) -> tuple[Order, ...]:
        """What the machine's agent has not reported on, oldest first."""
        return tuple(_order(row) for row in await tx.rows(_PENDING, to=machine))

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
        meant = {"which": order_id} if machine is None else {"which": order_id, "to": machine}
        report = _REPORT if machine is None else _REPORT_OF_MACHINE
        await tx.run(report, **meant, done_at=self._clock.now(), ok=ok, message=message)
        row = await tx.row(_GET if machine is None else _GET_OF_MACHINE, **meant)
        if row is None:
            return None
        tx.changed.add(ClusterId(row["cluster"]))
        return _order(row)

    async def of_cluster(self, tx: Tx, cluster: ClusterId) -> tuple[Order, ...]:
        """All orders of a cluster, oldest first."""
        return tuple(_order(row) for row in await tx.rows(_OF_CLUSTER, of=cluster))


def _order(row: Row) -> Order:
    return Order(**{**row, "arguments": json.loads(row["arguments"])})
