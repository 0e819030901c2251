"""Call-backs that were refused, for people to see; bounded, since anybody can cause them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, func, select

from holdfast.clock import Clock
from holdfast.model.ids import ClusterId
from holdfast.store.database import Tx
from holdfast.store.tables import machines, refusals

KEPT = 1000
TEXT_LENGTH = 200
_ROW = refusals.c
_NEWEST = select(func.max(_ROW.seq)).scalar_subquery()
_CUT = delete(refusals).where(_ROW.seq <= _NEWEST - bindparam("kept"))
_ALL = select(_ROW.at, _ROW.machine, _ROW.reason, _ROW.source).order_by(_ROW.seq.desc())
_OF_CLUSTER = _ALL.where(
    _ROW.machine.in_(select(machines.c.id).where(machines.c.cluster == bindparam("of")))
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """`machine` is the id that the call-back claimed, `source` the address it came from."""

    at: datetime
    machine: str
    reason: str
    source: str


class Refusals:
    """The newest refusals."""

    def __init__(self, clock: Clock, kept: int = KEPT) -> None:
        self._clock = clock
        self._kept = kept

    async def add(self, tx: Tx, machine: str, reason: str, source: str) -> None:
        """Record one, long texts cut, and drop the oldest beyond the bound."""
        row = {
            "at": self._clock.now(),
            "machine": machine[:TEXT_LENGTH],
            "reason": reason[:TEXT_LENGTH],
            "source": source[:TEXT_LENGTH],
        }
        await tx.insert(refusals, [row])
        await tx.run(_CUT, kept=self._kept)

    async def list(self, tx: Tx, cluster: ClusterId | None) -> list[Refusal]:
        """Newest first: those that claimed a machine of the cluster, or all."""
        rows = tx.rows(_ALL) if cluster is None else tx.rows(_OF_CLUSTER, of=cluster)
        return [Refusal(**row) for row in await rows]
