"""Events of each cluster, numbered from 1 without gaps.

The number comes from a counter in the cluster's row, raised in the event's own transaction: a
sequence hands numbers out before the commit, and a reader would skip one that commits later.
"""

from sqlalchemy import RowMapping, select, update

from holdfast.clock import Clock
from holdfast.model.event import Event, NewEvent, Severity
from holdfast.model.ids import ClusterId
from holdfast.store.database import Tx
from holdfast.store.errors import Unknown
from holdfast.store.tables import clusters, events


class Events:
    """Append and read."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def append(self, tx: Tx, cluster: ClusterId, *new: NewEvent) -> tuple[Event, ...]:
        """Number and write them; the feed tells them after the commit. Raises Unknown."""
        if not new:
            return ()
        row = await tx.row(
            update(clusters)
            .where(clusters.c.id == cluster)
            .values(event_seq=clusters.c.event_seq + len(new))
            .returning(clusters.c.event_seq)
        )
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
        rows = await tx.rows(
            select(events)
            .where(events.c.cluster == cluster, events.c.seq > seq)
            .order_by(events.c.seq)
            .limit(limit)
        )
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


def _event(row: RowMapping) -> Event:
    return Event(**{**row, "severity": Severity(row["severity"])})
