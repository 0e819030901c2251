"""Observe-only: passes look and plan, and nothing leaves the platform before it is released.

The state of the installation is one row; each living cluster has a flag of its own, which passes
and call-backs read with the cluster. A cluster that is made meanwhile waits too.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select, update

from holdfast.clock import Clock
from holdfast.model.event import NewEvent, Severity
from holdfast.model.ids import ClusterId, cluster_key
from holdfast.model.wake import Why
from holdfast.store.database import Tx
from holdfast.store.events import Events
from holdfast.store.leases import Leases
from holdfast.store.tables import clusters, installation

_ROW = clusters.c
_STATE = select(installation.c.observe_only_since, installation.c.observe_only_reason)
_CHANGE_STATE = update(installation)
_WAITING = select(_ROW.id).where(_ROW.observe_only, _ROW.deleted_at.is_(None)).limit(1)
_FLAG = (
    update(clusters)
    .where(_ROW.observe_only == bindparam("before"), _ROW.deleted_at.is_(None))
    .values(observe_only=bindparam("after"), revision=_ROW.revision + 1)
    .returning(_ROW.id, _ROW.name)
)
_FLAG_ONE = _FLAG.where(_ROW.id == bindparam("of"))


@dataclass(frozen=True, slots=True)
class State:
    """Since when, and why: "asked for at the start", or what told that the database is old."""

    since: datetime
    reason: str


class ObserveOnly:
    """Enters the state, leaves it cluster by cluster or as a whole."""

    def __init__(self, clock: Clock, events: Events, leases: Leases) -> None:
        self._clock = clock
        self._events = events
        self._leases = leases

    async def state(self, tx: Tx) -> State | None:
        """The state; None while the platform acts."""
        row = await tx.row(_STATE)
        if row is None or row["observe_only_since"] is None:
            return None
        return State(row["observe_only_since"], row["observe_only_reason"])

    async def enter(self, tx: Tx, reason: str) -> bool:
        """Every cluster waits from now on. False when the installation does so already."""
        if await self.state(tx) is not None:
            return False
        now = self._clock.now()
        await tx.run(_CHANGE_STATE, observe_only_since=now, observe_only_reason=reason)
        for cluster, name in await self._flagged(tx, None, is_set=True):
            message = f"[Cluster] observe-only: waiting for release name={name}: {reason}"
            await self._events.append(
                tx, cluster, NewEvent("ObserveOnly", message, name, Severity.ERROR)
            )
        return True

    async def release(self, tx: Tx, only: Collection[ClusterId] | None = None) -> list[ClusterId]:
        """Let passes act again, on all clusters or on those alone; returns whose wait is over.

        The installation is released with its last waiting cluster.
        """
        released = await self._flagged(tx, only, is_set=False)
        for cluster, name in released:
            message = f"[Cluster] released name={name}: passes act again"
            await self._events.append(tx, cluster, NewEvent("Released", message, name))
            await self._leases.wake(tx, cluster_key(cluster), Why.USER)
        if only is None or await tx.row(_WAITING) is None:
            await tx.run(_CHANGE_STATE, observe_only_since=None, observe_only_reason=None)
        return [cluster for cluster, _ in released]

    async def _flagged(
        self, tx: Tx, only: Collection[ClusterId] | None, *, is_set: bool
    ) -> list[tuple[ClusterId, str]]:
        """Set or clear the flag of living clusters that have the other one; returns which."""
        flags = {"before": not is_set, "after": is_set}
        if only is None:
            rows = list(await tx.rows(_FLAG, **flags))
        else:
            rows = [row for each in only for row in await tx.rows(_FLAG_ONE, of=each, **flags)]
        tx.changed.update(ClusterId(row["id"]) for row in rows)
        return sorted((ClusterId(row["id"]), row["name"]) for row in rows)
