"""Things: every cloud thing of a cluster that was ever seen, the ground of its certificate."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import bindparam, or_, select, update

from holdfast.model.ids import ClusterId, CredentialsId, ProviderId, ResourceName
from holdfast.model.observed import Life
from holdfast.store.database import Tx
from holdfast.store.session import Row
from holdfast.store.tables import cluster_credentials, things

_ROW = things.c
_REMOVED = (
    update(things)
    .where(
        _ROW.cluster == bindparam("of"),
        _ROW.id == bindparam("which"),
        _ROW.removed_at.is_(None),
    )
    .values(removed_at=bindparam("at"), life=Life.GONE.value)
)
_STANDING = (
    select(_ROW.cluster, _ROW.id)
    .join(cluster_credentials, cluster_credentials.c.cluster == _ROW.cluster)
    .where(
        cluster_credentials.c.credentials == bindparam("used"),
        _ROW.removed_at.is_(None),
        or_(_ROW.life == Life.PENDING.value, _ROW.life == Life.PRESENT.value),
    )
)
_OF_CLUSTER = (
    select(things)
    .where(_ROW.cluster == bindparam("of"))
    .order_by(_ROW.first_seen_at, _ROW.name, _ROW.id)
)


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
        await tx.each(_REMOVED, [{"of": cluster, "which": each, "at": at} for each in ids])

    async def standing(
        self, tx: Tx, credentials: CredentialsId
    ) -> dict[ClusterId, frozenset[ProviderId]]:
        """The ids of what an account's clusters have and that is not going, in one query."""
        found: dict[ClusterId, set[ProviderId]] = {}
        for row in await tx.rows(_STANDING, used=credentials):
            found.setdefault(ClusterId(row["cluster"]), set()).add(ProviderId(row["id"]))
        return {cluster: frozenset(ids) for cluster, ids in found.items()}

    async def of_cluster(self, tx: Tx, cluster: ClusterId) -> tuple[Thing, ...]:
        """All of a cluster, those that are gone too, in the order in which they were seen."""
        return tuple(await tx.values(_OF_CLUSTER, _thing, of=cluster))


def _thing(row: Row) -> Thing:
    return Thing(**{**row, "life": Life(row["life"])})
