"""Events without gaps, a feed that waits for nobody, and what is proved to users."""

import asyncio
import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from holdfast.model.certificate import CertificateState, DeletionCertificate, RemovedThing
from holdfast.model.event import Event, NewEvent, Severity
from holdfast.model.ids import (
    ClusterId,
)
from holdfast.store.errors import (
    Unknown,
)
from holdfast.store.feed import Feed, Missed
from holdfast.store.store import Store
from holdfast.store.tables import tokens

AT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
ONE = ClusterId("c1")
TWO = ClusterId("c2")


def test_events_are_numbered_per_cluster_without_gaps(play: Any, build: Any) -> None:
    async def story(store: Store) -> None:
        async with store.writing() as tx:
            await store.clusters.create(tx, build.cluster())
            await store.clusters.create(tx, build.cluster(TWO, "other"))
            made = await store.events.append(
                tx, ONE, NewEvent("A", "a"), NewEvent("B", "b", "network", Severity.ERROR)
            )
            assert [event.seq for event in made] == [1, 2]
            await store.events.append(tx, TWO, NewEvent("C", "c"))
            assert await store.events.append(tx, ONE) == ()

        async def broken() -> None:
            async with store.writing() as tx:
                await store.events.append(tx, ONE, NewEvent("X", "never was"))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await broken()
        async with store.writing() as tx:
            (third,) = await store.events.append(tx, ONE, NewEvent("D", "d"))
            assert third.seq == 3
            assert await store.events.after(tx, ONE, 0, 10) == [*made, third]
            assert await store.events.after(tx, ONE, 1, 1) == [made[1]]
            with pytest.raises(Unknown):
                await store.events.append(tx, ClusterId("no"), NewEvent("E", "e"))

    play(story)


def test_readers_hear_of_events_after_the_commit_and_only_of_theirs(play: Any, build: Any) -> None:
    async def story(store: Store) -> None:
        await build.saved(store)
        async with store.feed.subscribe(ONE) as one, store.feed.subscribe(TWO) as two:
            async with store.feed.subscribe(None) as every:
                async with store.writing() as tx:
                    (event,) = await store.events.append(tx, ONE, NewEvent("A", "a"))
                    assert one.empty()
                assert [one.get_nowait(), every.get_nowait()] == [event, event]
                assert two.empty()
            assert store.feed.readers == 2
        assert store.feed.readers == 0

    play(story)


def test_a_slow_reader_is_told_to_refetch_and_blocks_no_one() -> None:
    async def story() -> None:
        feed = Feed(length=3)
        events = [Event(ONE, seq, AT, "R", "m", "", Severity.INFO) for seq in range(1, 7)]
        async with feed.subscribe(ONE) as slow, feed.subscribe(ONE) as fast:
            heard = []
            for event in events:
                feed.publish([event])
                heard.append(fast.get_nowait())
            assert heard == events
            assert [slow.get_nowait() for _ in range(slow.qsize())] == [Missed(), *events[4:]]

    asyncio.run(story())


def test_concurrent_writers_leave_no_gap_and_no_error(play: Any, build: Any) -> None:
    async def story(store: Store) -> None:
        await build.saved(store)

        async def write(number: int) -> None:
            async with store.writing() as tx:
                await store.clusters.get(tx, ONE)
                await store.events.append(tx, ONE, NewEvent("N", str(number)))

        await asyncio.gather(*(write(number) for number in range(50)))
        async with store.reading() as tx:
            events = await store.events.after(tx, ONE, 0, 100)
        assert [event.seq for event in events] == list(range(1, 51))

    play(story)


def test_a_certificate_is_replaced_when_it_is_confirmed(play: Any, build: Any) -> None:
    async def story(store: Store) -> None:
        await build.saved(store)
        provisional = DeletionCertificate(
            cluster=ONE,
            name="web",
            state=CertificateState.PROVISIONAL,
            asked_at=AT,
            issued_at=AT,
            removed=(RemovedThing("network", "network", "vpc-1", AT),),
            foreign=("i-9",),
            listings=(AT,),
            signature="c2ln",
        )
        confirmed = dataclasses.replace(provisional, state=CertificateState.CONFIRMED)
        async with store.writing() as tx:
            assert await store.certificates.get(tx, ONE) is None
            await store.certificates.put(tx, provisional)
            assert await store.certificates.get(tx, ONE) == provisional
            await store.certificates.put(tx, confirmed)
            assert await store.certificates.get(tx, ONE) == confirmed
            await store.certificates.drop(tx, ONE)
            assert await store.certificates.get(tx, ONE) is None

    play(story)


def test_a_token_is_known_by_its_hash_only_until_it_is_revoked(play: Any) -> None:
    async def story(store: Store) -> None:
        async with store.writing() as tx:
            secret = await store.tokens.create(tx, "robot")
            assert secret.startswith("hf_")
            assert len(secret) == 46
            row = await store.tokens.verify(tx, secret)
            assert row is not None
            assert row.name == "robot"
            assert await store.tokens.verify(tx, secret[:-1]) is None
            assert await store.tokens.verify(tx, "") is None
            stored = await tx.row(select(tokens))
            assert stored is not None
            assert not any(secret[3:] in str(value) for value in stored.values())
            assert await store.tokens.revoke(tx, row.id) is True
            assert await store.tokens.revoke(tx, row.id) is False
            assert await store.tokens.verify(tx, secret) is None
            (listed,) = await store.tokens.list(tx)
            assert listed.revoked_at is not None

    play(story)


def test_the_installation_is_made_once(play: Any, build: Any) -> None:
    async def story(store: Store) -> None:
        async with store.writing() as tx:
            made = await store.installation.get_or_make(tx)
            assert await store.installation.kept(tx, "ca") is None
            await store.installation.keep(tx, "ca", b"PEM")
        async with store.reading() as tx:
            assert await store.installation.get_or_make(tx) == made
            assert await store.installation.kept(tx, "ca") == b"PEM"
        assert made.signing_key_pem.startswith("-----BEGIN PRIVATE KEY-----")
        assert "PRIVATE" not in repr(made)

    play(story)
