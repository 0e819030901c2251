"""Things: every cloud thing of a cluster that was ever seen, the ground of its certificate."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import RowMapping, select, update

from holdfast.model.ids import ClusterId, ProviderId, ResourceName
from holdfast.model.observed import Life
from holdfast.store.database import Tx
from holdfast.store.tables import things


@dataclass(frozen=True, slots=True)
class Thing:
    """What the cloud last said of it, when it was first seen, and when it was gone.

    `missing_since` and `missing_readings`: it was in none of so many complete listings since then.
    """

    cluster: ClusterId
    name: ResourceName
    kind: str
    id: ProviderId
    life: Life
    evidence: str
    first_seen_at: datetime
    missing_since: datetime | None = None
    missing_readings: int = 0
    removed_at: datetime | None = None


class Things:
    """One row a cluster and cloud id; rows stay when the thing is gone."""

    async def seen(self, tx: Tx, cluster: ClusterId, found: Iterable[Thing]) -> None:
        """Insert or update; the time when it was first seen is kept.

        Raises ValueError for a thing of another cluster.
        """
        rows = [{**asdict(thing), "life": thing.life.value} for thing in found]
        if any(row["cluster"] != cluster for row in rows):
            message = f"things of another cluster than {cluster}"
            raise ValueError(message)
        await tx.upsert(things, rows, keep=["first_seen_at"])

    async def removed(
        self, tx: Tx, cluster: ClusterId, ids: Iterable[ProviderId], at: datetime
    ) -> None:
        """They are gone; the first time this was known stays."""
        await tx.run(
            update(things)
            .where(
                things.c.cluster == cluster,
                things.c.id.in_(list(ids)),
                things.c.removed_at.is_(None),
            )
            .values(removed_at=at, life=Life.GONE.value)
        )

    async def standing(self, tx: Tx) -> dict[ClusterId, frozenset[ProviderId]]:
        """The ids of what every cluster has and that is not going, in one query."""
        query = select(things.c.cluster, things.c.id).where(
            things.c.removed_at.is_(None),
            things.c.life.in_([Life.PENDING.value, Life.PRESENT.value]),
        )
        found: dict[ClusterId, set[ProviderId]] = {}
        for row in await tx.rows(query):
            found.setdefault(ClusterId(row["cluster"]), set()).add(ProviderId(row["id"]))
        return {cluster: frozenset(ids) for cluster, ids in found.items()}

    async def of_cluster(self, tx: Tx, cluster: ClusterId) -> tuple[Thing, ...]:
        """All of a cluster, those that are gone too, in the order in which they were seen."""
        query = select(things).where(things.c.cluster == cluster)
        rows = await tx.rows(query.order_by(things.c.first_seen_at, things.c.name, things.c.id))
        return tuple(_thing(row) for row in rows)


def _thing(row: RowMapping) -> Thing:
    return Thing(**{**row, "life": Life(row["life"])})
