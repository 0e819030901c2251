"""Intents: the saved decision to make a thing, committed before the first call for it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select

from holdfast.model.ids import ClusterId, ResourceName
from holdfast.store.database import Tx
from holdfast.store.session import Row
from holdfast.store.tables import intents

_OF_CLUSTER = select(intents).where(intents.c.cluster == bindparam("of"))
_DROP = delete(intents).where(
    intents.c.cluster == bindparam("of"), intents.c.name == bindparam("named")
)


@dataclass(frozen=True, slots=True)
class Intent:
    """`token` is the idempotency key of this attempt; `calls` counts the calls made with it."""

    cluster: ClusterId
    name: ResourceName
    token: str
    attempt: int
    saved_at: datetime
    calls: int = 0


class Intents:
    """One row a cluster and resource name."""

    async def save(self, tx: Tx, *saved: Intent) -> None:
        """Insert or replace, by cluster and name; inside a guarded transaction."""
        await tx.upsert(intents, [_row(intent) for intent in saved])

    async def of_cluster(self, tx: Tx, cluster: ClusterId) -> dict[ResourceName, Intent]:
        """A cluster's intents by the name of the thing."""
        found = await tx.values(_OF_CLUSTER, _intent, of=cluster)
        return {intent.name: intent for intent in found}

    async def drop(self, tx: Tx, cluster: ClusterId, names: tuple[ResourceName, ...]) -> None:
        """Forget the intents: the things are seen, or no longer wanted."""
        await tx.each(_DROP, [{"of": cluster, "named": name} for name in names])


def _intent(row: Row) -> Intent:
    return Intent(**row)


def _row(intent: Intent) -> dict[str, Any]:
    return {
        "cluster": intent.cluster,
        "name": intent.name,
        "token": intent.token,
        "attempt": intent.attempt,
        "saved_at": intent.saved_at,
        "calls": intent.calls,
    }
