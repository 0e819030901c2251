"""Things of a cluster in its clouds, as they were last seen."""

from holdfast.wire.document import Document, Moment


class Thing(Document):
    """One thing: its name in the plan, its kind, the cloud's id and what the cloud says of it."""

    name: str
    kind: str
    id: str
    life: str
    evidence: str = ""
    first_seen_at: Moment
    removed_at: Moment | None = None


class ThingList(Document):
    """All things of a cluster, those that are gone included."""

    items: list[Thing]
