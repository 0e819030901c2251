"""Who may act on a key now, and when it is due: one row of `wakes` a key.

| column        | set by                                       | meaning                          |
|---------------|----------------------------------------------|----------------------------------|
| `wake_seq`    | whoever has a reason, in its own transaction | reasons so far                   |
| `wake_class`  | same: the higher of old and new              | most urgent reason not yet seen  |
| `seen_seq`    | end of a good pass                           | `wake_seq` when that pass began  |
| `due_at`      | wake: now at the latest; end of pass         | when to run next                 |
| `fails`       | end of pass                                  | failures in a row                |
| `epoch`       | take: +1                                     | fencing number of the holder     |
| `lease_owner` `lease_until` | holder                         | the right to act                 |

Pending: `seen_seq < wake_seq`. Due: `due_at <= now`. A wake during a pass stays pending, because
the pass records what it read at its start: no wake can be lost.

A lease lives on two clocks. The database's (here: this process's wall clock, one process serves
the database) decides who may take it. The holder trusts only its own monotonic clock, read before
the take was sent. Source: docs/work-engine.md.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import (
    BigInteger,
    Executable,
    Integer,
    and_,
    bindparam,
    case,
    delete,
    or_,
    select,
    update,
)

from holdfast.clock import Chance, Clock
from holdfast.model.ids import EngineKey
from holdfast.model.wake import Again, Why
from holdfast.store.database import Database, Tx, insert_of
from holdfast.store.errors import LeaseLost
from holdfast.store.tables import Instant, wakes

FIRST_BACKOFF = timedelta(seconds=0.5)
LONGEST_BACKOFF = timedelta(seconds=300)
_ROW = wakes.c
_NOW = bindparam("now", type_=Instant)
_CLASS = bindparam("why", type_=Integer)
_READ = bindparam("read", type_=BigInteger)
_DUE_AND_FREE = and_(_ROW.due_at <= _NOW, or_(_ROW.lease_until.is_(None), _ROW.lease_until <= _NOW))
_HELD = and_(_ROW.key == bindparam("of"), _ROW.epoch == bindparam("held"))
_TAKE = (
    update(wakes)
    .where(_ROW.key == bindparam("of"), _DUE_AND_FREE)
    .values(epoch=_ROW.epoch + 1)
    .returning(_ROW.epoch, _ROW.wake_seq, _ROW.wake_class, _ROW.fails)
)
_WAIT = select(_ROW.due_at, _ROW.lease_until).where(_ROW.key == bindparam("of"))
_CHANGE = update(wakes).where(_HELD)
_END = (
    update(wakes)
    .where(_HELD)
    .values(
        lease_owner=None,
        lease_until=None,
        due_at=case((_ROW.wake_seq > _READ, _NOW), else_=bindparam("later", type_=Instant)),
    )
    .returning(_ROW.wake_seq, _ROW.wake_class)
)
_END_WELL = _END.values(
    seen_seq=_READ,
    fails=0,
    wake_class=case((_ROW.wake_seq == _READ, int(Why.TICK)), else_=_ROW.wake_class),
)
_END_BADLY = _END.values(fails=_ROW.fails + 1)
_DUE = (
    select(_ROW.key, _ROW.wake_class)
    .where(_DUE_AND_FREE)
    .order_by(_ROW.wake_class.desc(), _ROW.due_at)
    .limit(bindparam("most", type_=Integer))
)
_CLEAR = (
    update(wakes).where(_ROW.lease_until.is_not(None)).values(lease_owner=None, lease_until=None)
)
_FORGET = delete(wakes).where(_ROW.key == bindparam("of"))


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to act on a key until `deadline`, in seconds of the holder's monotonic clock.

    read   the `wake_seq` that the pass has seen
    why    the most urgent reason among them; TICK when there is none but time
    fails  failures in a row before this pass
    """

    key: EngineKey
    epoch: int
    owner: str
    read: int
    why: Why
    fails: int
    ttl: timedelta
    deadline: float

    def left(self, clock: Clock) -> float:
        """Seconds for which no other holder can act; negative when it may be over."""
        return self.deadline - clock.monotonic()


class Leases:
    """Wakes keys, hands out leases, and ends them."""

    def __init__(self, database: Database, clock: Clock, chance: Chance) -> None:
        self._database = database
        self._clock = clock
        self._chance = chance

    async def wake(self, tx: Tx, key: EngineKey, why: Why) -> None:
        """There is a reason to look at the key; belongs into that reason's own transaction.

        Listeners of `Store.on_wake` hear of it after the commit.
        """
        wake = _wake(tx.session.dialect)
        await tx.run(wake, of=key, why=int(why), now=self._clock.now())
        tx.wakes.append((key, why))

    async def take(self, key: EngineKey, owner: str, ttl: timedelta) -> Lease | None:
        """The lease of a key that is due and free, else None; `wait` then says for how long."""
        started = self._clock.monotonic()
        async with self._database.writing() as tx:
            now = self._clock.now()
            row = await tx.row(_TAKE, of=key, now=now, lease_owner=owner, lease_until=now + ttl)
        if row is None:
            return None
        return Lease(
            key=key,
            epoch=row["epoch"],
            owner=owner,
            read=row["wake_seq"],
            why=Why(row["wake_class"]),
            fails=row["fails"],
            ttl=ttl,
            deadline=started + ttl.total_seconds(),
        )

    async def wait(self, key: EngineKey) -> timedelta | None:
        """How long until the key can be taken: the longer of both waits; None if it is unknown."""
        async with self._database.reading() as tx:
            row = await tx.row(_WAIT, of=key)
        if row is None:
            return None
        moment: datetime = max(row["due_at"], row["lease_until"] or row["due_at"])
        return max(timedelta(0), moment - self._clock.now())

    async def renew(self, lease: Lease) -> Lease:
        """The lease, longer. Raises LeaseLost when another holder took over."""
        started = self._clock.monotonic()
        async with self._database.writing() as tx:
            await self._change(tx, lease, lease_until=self._clock.now() + lease.ttl)
        return replace(lease, deadline=started + lease.ttl.total_seconds())

    async def guard(self, tx: Tx, lease: Lease) -> None:
        """Inside a writing transaction: nobody took over. Raises LeaseLost: it rolls back."""
        await self._change(tx, lease, epoch=lease.epoch)

    async def finish(
        self,
        lease: Lease,
        ok: bool,  # noqa: FBT001  (what became of the pass)
        again: Again,
        tx: Tx | None = None,
    ) -> Again:
        """End the pass and give the lease back; returns when the key is really due next.

        A good pass is due after `again.after`; a failed one after its backoff, or `again.after` if
        that is longer. A wake that came during the pass makes the key due at once, with its class.
        With `tx` it is part of that guarded transaction. Raises LeaseLost.
        """
        pause = again.after if ok else max(again.after, self._backoff(lease.fails + 1))
        if tx is not None:
            seen_all, why = await self._end(tx, lease, ok, pause)
        else:
            async with self._database.writing() as own:
                seen_all, why = await self._end(own, lease, ok, pause)
        if seen_all:
            return Again(pause, again.why if ok else Why.RETRY)
        return Again(timedelta(0), why)

    async def due(self, limit: int = 500) -> list[tuple[EngineKey, Why]]:
        """Keys that are due and free, most urgent and oldest first: the rescan.

        Wakes as USER or higher, so that no clock error of a delayed entry can hold them back.
        """
        async with self._database.reading() as tx:
            rows = await tx.rows(_DUE, now=self._clock.now(), most=limit)
        return [(row["key"], Why(max(row["wake_class"], Why.USER))) for row in rows]

    async def clear_all(self) -> int:
        """End every lease, at start: the lock file proves that none is held. Returns how many."""
        async with self._database.writing() as tx:
            return await tx.run(_CLEAR)

    async def forget(self, tx: Tx, key: EngineKey) -> None:
        """Drop the key: there is nothing left to look at."""
        await tx.run(_FORGET, of=key)

    def _backoff(self, fails: int) -> timedelta:
        """min(300 s, 0.5 s * 2^(fails-1)), times 0.5 to 1 by chance."""
        longest: timedelta = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** min(fails - 1, 16))
        return longest * (0.5 + self._chance.random() / 2)

    async def _change(self, tx: Tx, lease: Lease, **values: object) -> None:
        """A write that only the present holder can make."""
        if not await tx.run(_CHANGE, of=lease.key, held=lease.epoch, **values):
            raise _lost(lease)

    async def _end(
        self,
        tx: Tx,
        lease: Lease,
        ok: bool,  # noqa: FBT001  (what became of the pass)
        pause: timedelta,
    ) -> tuple[bool, Why]:
        """The statement that ends a pass: was every wake seen, and the class that is left."""
        now = self._clock.now()
        row = await tx.row(
            _END_WELL if ok else _END_BADLY,
            of=lease.key,
            held=lease.epoch,
            read=lease.read,
            now=now,
            later=now + pause,
        )
        if row is None:
            raise _lost(lease)
        return row["wake_seq"] == lease.read, Why(row["wake_class"])


@cache
def _wake(dialect: str) -> Executable:
    insert = insert_of(wakes, dialect).values(
        key=bindparam("of"),
        wake_seq=1,
        wake_class=_CLASS,
        seen_seq=0,
        due_at=_NOW,
        fails=0,
        epoch=0,
    )
    return insert.on_conflict_do_update(
        index_elements=[_ROW.key],
        set_={
            "wake_seq": _ROW.wake_seq + 1,
            "wake_class": case((_ROW.wake_class < _CLASS, _CLASS), else_=_ROW.wake_class),
            "due_at": case((_ROW.due_at < _NOW, _ROW.due_at), else_=_NOW),
        },
    )


def _lost(lease: Lease) -> LeaseLost:
    return LeaseLost(f"{lease.key}: epoch {lease.epoch} of {lease.owner} is over")
