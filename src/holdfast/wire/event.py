"""Events of a cluster: v1's feedback events, and the numbered ones that a stream can resume."""

from collections.abc import Iterable

from holdfast.model.event import Event, Severity
from holdfast.wire.document import Document, Moment


class FeedbackEvent(Document):
    """An event as v1 shows it; clients print each id once."""

    id: str
    created_at: Moment
    message: str
    severity: Severity


class FeedbackEventList(Document):
    """All feedback events of a cluster."""

    items: list[FeedbackEvent]


class ClusterEvent(Document):
    """An event. `seq` counts from 1 within the cluster, without gaps."""

    seq: int
    at: Moment
    reason: str
    message: str
    subject: str
    severity: Severity


class ClusterEventList(Document):
    """Events after a number. `last_seq` is where to go on."""

    items: list[ClusterEvent]
    last_seq: int


def feedback(event: Event) -> FeedbackEvent:
    """v1's shape; the id is stable."""
    return FeedbackEvent(
        id=f"{event.cluster}-{event.seq}",
        created_at=event.at,
        message=event.message,
        severity=event.severity,
    )


def shown(event: Event) -> ClusterEvent:
    """The numbered shape."""
    return ClusterEvent(
        seq=event.seq,
        at=event.at,
        reason=event.reason,
        message=event.message,
        subject=event.subject,
        severity=event.severity,
    )


def listed(events: Iterable[Event], after: int) -> ClusterEventList:
    """Numbered events after `after`."""
    items = [shown(event) for event in events]
    return ClusterEventList(items=items, last_seq=items[-1].seq if items else after)
