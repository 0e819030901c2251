"""Events of each cluster, numbered from 1 without gaps.

The number comes from a counter in the cluster's row, raised in the event's own transaction: a
sequence hands numbers out before the commit, and a reader would skip one that commits later.
"""

from sqlalchemy import Integer, bindparam, select, update

from holdfast.clock import Clock
from holdfast.model.event import Event, NewEvent, Severity
from holdfast.model.ids import ClusterId
from holdfast.store.database import Tx
from holdfast.store.errors import Unknown
from holdfast.store.session import Row
from holdfast.store.tables import clusters, events

_NUMBER = (
    update(clusters)
    .where(clusters.c.id == bindparam("of"))
    .values(event_seq=clusters.c.event_seq + bindparam("more"))
    .returning(clusters.c.event_seq)
)
_AFTER = (
    select(events)
    .where(events.c.cluster == bindparam("of"), events.c.seq > bindparam("behind"))
    .order_by(events.c.seq)
    .limit(bindparam("most", type_=Integer))
)


class Events:
    """Append and read."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def append(self, tx: Tx, cluster: ClusterId, *new: NewEvent) -> tuple[Event, ...]:
        """Number and write them; the feed tells them after the commit. Raises Unknown."""
        if not new:
            return ()
        row = await tx.row(_NUMBER, of=cluster, more=len(new))
        if row is None:
            message = f"cluster {cluster}: there is none"
            raise Unknown(message)
        first = row["event_seq"] - len(new) + 1
        now = self._clock.now()
        numbered = tuple(
            Event(cluster, first + i, now, each.reason, each.message, each.subject, each.severity)
            for i, each in enumerate(new)
        )
        await tx.insert(events, [_row(event) for event in numbered])
        tx.events.extend(numbered)
        return numbered

    async def after(self, tx: Tx, cluster: ClusterId, seq: int, limit: int) -> list[Event]:
        """The events behind a number, in order; 0 for the first ones."""
        rows = await tx.rows(_AFTER, of=cluster, behind=seq, most=limit)
        return [_event(row) for row in rows]


def _row(event: Event) -> dict[str, object]:
    return {
        "cluster": event.cluster,
        "seq": event.seq,
        "at": event.at,
        "reason": event.reason,
        "message": event.message,
        "subject": event.subject,
        "severity": event.severity.value,
    }


def _event(row: Row) -> Event:
    return Event(**{**row, "severity": Severity(row["severity"])})
