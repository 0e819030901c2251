"""Who may act on a key: no wake is lost, no two holders act, a stale one writes nothing (F46)."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.dialects import postgresql, sqlite

from holdfast.model.ids import EngineKey
from holdfast.model.wake import Again, Why
from holdfast.store.database import Tx
from holdfast.store.errors import LeaseLost
from holdfast.store.leases import Lease
from holdfast.store.store import Store

KEY = EngineKey("cluster:1")
TTL = timedelta(seconds=20)
HOUR = Again(timedelta(hours=1), Why.TICK)


async def wake(store: Store, why: Why = Why.USER, key: EngineKey = KEY) -> None:
    async with store.writing() as tx:
        await store.leases.wake(tx, key, why)


async def taken(store: Store, owner: str = "a") -> Lease:
    lease = await store.leases.take(KEY, owner, TTL)
    assert lease is not None
    return lease


def test_only_one_of_two_takes_a_due_key(opened: Any) -> None:
    async def story() -> None:
        async with opened() as store:
            await wake(store)
            both = await asyncio.gather(*(store.leases.take(KEY, who, TTL) for who in "ab"))
            assert [lease for lease in both if lease is None] == [None]
            assert await store.leases.due() == []

    asyncio.run(story())


def test_a_key_that_is_not_due_or_unknown_is_not_taken(opened: Any, clock: Any) -> None:
    async def story() -> None:
        async with opened() as store:
            assert await store.leases.take(KEY, "a", TTL) is None
            assert await store.leases.wait(KEY) is None
            await wake(store)
            await store.leases.finish(await taken(store), True, HOUR)
            assert await store.leases.take(KEY, "a", TTL) is None
            assert await store.leases.wait(KEY) == timedelta(hours=1)
            clock.turn(3600)
            assert await store.leases.wait(KEY) == timedelta(0)
            await taken(store)

    asyncio.run(story())


def test_wait_is_the_longer_of_due_and_lease(opened: Any, clock: Any) -> None:
    async def story() -> None:
        async with opened() as store:
            await wake(store)
            await taken(store)
            clock.turn(5)
            await wake(store)
            assert await store.leases.wait(KEY) == timedelta(seconds=15)

    asyncio.run(story())


@pytest.mark.parametrize("ok", [True, False])
def test_a_wake_during_a_pass_makes_the_key_due_at_once(opened: Any, *, ok: bool) -> None:
    async def story() -> None:
        async with opened() as store:
            await wake(store)
            lease = await taken(store)
            await wake(store, Why.SPOT)
            assert await store.leases.finish(lease, ok, HOUR) == Again(timedelta(0), Why.SPOT)
            assert await store.leases.due() == [(KEY, Why.SPOT)]
            assert (await taken(store)).read == 2

    asyncio.run(story())


def test_a_failed_pass_keeps_the_reason_and_backs_off(opened: Any, clock: Any) -> None:
    async def story() -> None:
        async with opened() as store:
            await wake(store, Why.SPOT)
            for expected in (0.5, 1, 2, 4, 8):
                again = await store.leases.finish(
                    await taken(store), False, Again(timedelta(0), Why.RETRY)
                )
                assert again.why is Why.RETRY
                assert expected / 2 <= again.after.total_seconds() <= expected
                assert await store.leases.due() == []
                clock.turn(expected)
            assert await store.leases.due() == [(KEY, Why.SPOT)]
            lease = await taken(store)
            assert lease.fails == 5
            assert await store.leases.finish(lease, True, HOUR) == HOUR
            clock.turn(3600)
            assert (await taken(store)).fails == 0

    asyncio.run(story())


def test_a_failed_pass_waits_as_long_as_it_was_told_to(opened: Any) -> None:
    async def story() -> None:
        async with opened() as store:
            await wake(store)
            told = Again(timedelta(seconds=90), Why.RETRY)
            assert await store.leases.finish(await taken(store), False, told) == told

    asyncio.run(story())


def test_backoff_never_exceeds_five_minutes(opened: Any, clock: Any) -> None:
    async def story() -> None:
        async with opened() as store:
            await wake(store)
            for _ in range(40):
                again = await store.leases.finish(
                    await taken(store), False, Again(timedelta(0), Why.RETRY)
                )
                clock.turn(300)
            assert 150 <= again.after.total_seconds() <= 300

    asyncio.run(story())


def test_due_keys_come_most_urgent_and_oldest_first_and_never_below_user(
    opened: Any, clock: Any
) -> None:
    async def story() -> None:
        async with opened() as store:
            for name, why in [("t", Why.TICK), ("u1", Why.USER), ("s", Why.SPOT), ("u2", Why.USER)]:
                clock.turn(1)
                await wake(store, why, EngineKey(name))
            found = await store.leases.due()
            assert [key for key, _ in found] == ["s", "u1", "u2", "t"]
            assert [why for _, why in found] == [Why.SPOT, Why.USER, Why.USER, Why.USER]
            assert len(await store.leases.due(limit=2)) == 2

    asyncio.run(story())


def test_a_wake_keeps_the_higher_class_and_the_earlier_time(opened: Any, clock: Any) -> None:
    async def story() -> None:
        async with opened() as store:
            await wake(store, Why.SPOT)
            clock.turn(5)
            await wake(store, Why.TICK)
            await wake(store, Why.USER, EngineKey("other"))
            assert await store.leases.due() == [(KEY, Why.SPOT), (EngineKey("other"), Why.USER)]

    asyncio.run(story())


def test_a_wake_that_is_rolled_back_never_was(opened: Any) -> None:
    async def story() -> None:
        async with opened() as store:
            heard: list[EngineKey] = []

            async def listen(key: EngineKey, why: Why) -> None:
                heard.append(key)

            store.on_wake(listen)

            async def broken() -> None:
                async with store.writing() as tx:
                    await store.leases.wake(tx, KEY, Why.USER)
                    raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                await broken()
            assert await store.leases.due() == []
            assert heard == []
            await wake(store)
            assert heard == [KEY]

    asyncio.run(story())


def test_two_leaders_only_the_newer_one_writes(opened: Any, clock: Any) -> None:
    """F46: the holder froze beyond its lease, another one took over, the old one wakes up."""

    async def story() -> None:
        async with opened() as store:
            await wake(store)
            old = await taken(store, "frozen")
            clock.turn(21)
            assert old.left(clock) < 0
            new = await taken(store, "newer")
            assert new.epoch == old.epoch + 1

            with pytest.raises(LeaseLost, match="epoch 1 of frozen is over"):
                async with store.guarded(old) as tx:
                    await store.installation.keep(tx, "written by", b"the old one")
            with pytest.raises(LeaseLost):
                await store.leases.renew(old)
            with pytest.raises(LeaseLost):
                await store.leases.finish(old, True, HOUR)

            async with store.guarded(new) as tx:
                assert await store.installation.kept(tx, "written by") is None
                await store.installation.keep(tx, "written by", b"the new one")
            assert new.left(clock) == 20
            assert await store.leases.finish(new, True, HOUR) == HOUR

    asyncio.run(story())


def test_a_renewed_lease_lasts_on_both_clocks(opened: Any, clock: Any) -> None:
    async def story() -> None:
        async with opened() as store:
            await wake(store)
            lease = await taken(store)
            clock.turn(15)
            renewed = await store.leases.renew(lease)
            assert lease.left(clock) == 5
            assert renewed.left(clock) == 20
            clock.turn(10)
            assert await store.leases.take(KEY, "other", TTL) is None

    asyncio.run(story())


def test_the_holder_does_not_trust_the_wall_clock(opened: Any, clock: Any) -> None:
    async def story() -> None:
        async with opened() as store:
            await wake(store)
            lease = await taken(store)
            clock.jump(-3600)
            clock.turn(19)
            assert lease.left(clock) == 1
            clock.turn(2)
            assert lease.left(clock) < 0

    asyncio.run(story())


def test_a_wall_clock_that_jumps_ahead_costs_the_lease_and_nothing_else(
    opened: Any, clock: Any
) -> None:
    async def story() -> None:
        async with opened() as store:
            await wake(store)
            old = await taken(store, "a")
            clock.jump(3600)
            await taken(store, "b")
            with pytest.raises(LeaseLost):
                await store.leases.renew(old)

    asyncio.run(story())


def test_finish_in_the_guarded_transaction_is_one_fact_with_it(opened: Any) -> None:
    async def story() -> None:
        async with opened() as store:
            await wake(store)
            lease = await taken(store)

            async def broken() -> None:
                async with store.guarded(lease) as tx:
                    await store.leases.finish(lease, True, HOUR, tx)
                    raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                await broken()
            async with store.guarded(lease) as tx:
                assert await store.leases.finish(lease, True, HOUR, tx) == HOUR
            assert await store.leases.wait(KEY) == timedelta(hours=1)

    asyncio.run(story())


def test_after_a_crash_in_a_pass_the_next_start_runs_it_at_once(opened: Any) -> None:
    async def story() -> None:
        async with opened() as store:
            await wake(store)
            await taken(store)
            assert await store.leases.due() == []
            assert await store.leases.clear_all() == 1
            assert await store.leases.due() == [(KEY, Why.USER)]
            assert (await taken(store)).epoch == 2

    asyncio.run(story())


def test_a_forgotten_key_is_not_due_and_its_holder_is_stopped(opened: Any) -> None:
    async def story() -> None:
        async with opened() as store:
            await wake(store)
            lease = await taken(store)
            async with store.writing() as tx:
                await store.leases.forget(tx, KEY)
            assert await store.leases.due() == []
            with pytest.raises(LeaseLost):
                await store.leases.renew(lease)

    asyncio.run(story())


def test_leases_and_wakes_survive_a_restart(url: str, opened: Any) -> None:
    if url.endswith("//"):
        pytest.skip("a database in memory ends with its process")

    async def story() -> None:
        async with opened() as store:
            await wake(store, Why.SPOT)
        async with opened() as store:
            assert await store.leases.due() == [(KEY, Why.SPOT)]

    asyncio.run(story())


def test_the_statements_serve_postgresql_too(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every UPDATE and SELECT of a key's life compiles for PostgreSQL, without GREATEST."""
    seen: list[str] = []
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]

    def noting(original: Any) -> Any:
        async def noted(tx: Tx, statement: Any, **values: Any) -> Any:
            if not isinstance(statement, sqlite.Insert):
                compiled = statement.compile(dialect=dialect, column_keys=list(values) or None)
                seen.append(str(compiled).lower())
            return await original(tx, statement, **values)

        return noted

    async def story() -> None:
        async with opened() as store:
            for name in ("run", "row", "rows"):
                monkeypatch.setattr(Tx, name, noting(getattr(Tx, name)))
            await wake(store)
            lease = await store.leases.renew(await taken(store))
            await store.leases.finish(lease, True, HOUR)
            await store.leases.due()
            await store.leases.clear_all()

    asyncio.run(story())
    assert len(seen) == 5
    assert not any("greatest" in each or "least(" in each for each in seen)
    assert sum("returning" in each for each in seen) == 2
