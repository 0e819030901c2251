"""Orphans: things with our installation's tag that no cluster of our records has."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, select

from holdfast.model.ids import ClusterId, CredentialsId, ProviderId, ResourceName
from holdfast.store.database import Tx
from holdfast.store.tables import orphans

_ROW = orphans.c
_ALL = select(orphans).order_by(_ROW.cluster, _ROW.name, _ROW.id)
_HERE = select(_ROW.id).where(
    _ROW.credentials == bindparam("by"), _ROW.region == bindparam("where")
)
_DROP = delete(orphans).where(_ROW.credentials == bindparam("by"), _ROW.id == bindparam("gone"))


@dataclass(frozen=True, slots=True)
class Orphan:
    """`cluster` is what its tag says; `made_at` is the cloud's word where it has one."""

    credentials: CredentialsId
    id: ProviderId
    region: str
    name: ResourceName
    kind: str
    cluster: ClusterId
    made_at: datetime | None
    first_seen_at: datetime


class Orphans:
    """One row an account and cloud id; a row goes when a listing no longer shows the thing."""

    async def list(self, tx: Tx) -> list[Orphan]:
        """All, by cluster and name."""
        return [Orphan(**dict(row)) for row in await tx.rows(_ALL)]

    async def seen(
        self, tx: Tx, credentials: CredentialsId, region: str, found: Collection[Orphan]
    ) -> None:
        """What a complete listing of one region shows."""
        before = [row["id"] for row in await tx.rows(_HERE, by=credentials, where=region)]
        now = {each.id for each in found}
        await tx.each(_DROP, [{"by": credentials, "gone": id_} for id_ in before if id_ not in now])
        await tx.upsert(orphans, [asdict(each) for each in found], keep=["first_seen_at"])
