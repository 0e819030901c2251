"""Credentials, regions and secrets: sealed, bound to their place, and one account's for ever."""

import dataclasses
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, text

from holdfast.model.account import Account, Quota, Region
from holdfast.model.ids import (
    ClusterId,
    CredentialsId,
)
from holdfast.model.offering import Cloud, Offering, Size
from holdfast.store.errors import (
    InUse,
    NameTaken,
    Sealed,
    Unknown,
)
from holdfast.store.store import Store
from holdfast.store.tables import credentials

AT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
ONE = ClusterId("c1")
TWO = ClusterId("c2")
KEYS = CredentialsId("k1")


def test_credentials_keep_their_secret_sealed(play: Any) -> None:
    async def story(store: Store) -> None:
        secret = {"accessKey": "AKIA1", "secretKey": "very secret"}
        async with store.writing() as tx:
            row = await store.credentials.add(tx, KEYS, "mine", Cloud.AWS, secret)
            assert await store.credentials.get(tx, KEYS) == row
            assert await store.credentials.list(tx) == [row]
            assert await store.credentials.secret(tx, KEYS) == secret
            assert (row.account, row.checked_at, row.error) == (None, None, "")
            raw = await tx.row(select(credentials.c.secret))
            assert raw is not None
            assert b"very secret" not in raw["secret"]
            assert "secret" not in repr(row).replace("secret_", "")
            with pytest.raises(NameTaken, match="'MINE' is taken"):
                await store.credentials.add(tx, CredentialsId("k2"), "MINE", Cloud.AWS, secret)
            with pytest.raises(Unknown, match="credentials k9"):
                await store.credentials.secret(tx, CredentialsId("k9"))

    play(story)


def test_a_secret_of_another_account_is_an_error_that_names_both(play: Any) -> None:
    """F58: all its listings would come back empty and read as "everything is gone"."""

    async def story(store: Store) -> None:
        async with store.writing() as tx:
            before = await store.credentials.add(tx, KEYS, "mine", Cloud.AWS, {"a": "1"})
            ours = Account("111", "arn:1", ("eu-central-1",))
            assert (await store.credentials.record_check(tx, KEYS, ours, "")).account == ours
            await store.credentials.replace_secret(tx, KEYS, {"a": "2"})
            replaced = await store.credentials.get(tx, KEYS)
            assert replaced is not None
            assert replaced.fingerprint != before.fingerprint
            assert replaced.checked_at is None
            theirs = Account("222", "arn:2", ("eu-central-1",))
            row = await store.credentials.record_check(tx, KEYS, theirs, "")
            assert row.account == ours
            assert "belongs to account 222" in row.error
            assert "for account 111" in row.error
            failed = await store.credentials.record_check(tx, KEYS, None, "expired")
            assert (failed.account, failed.error) == (ours, "expired")

    play(story)


def test_credentials_in_use_stay(play: Any, build: Any) -> None:
    async def story(store: Store) -> None:
        async with store.writing() as tx:
            await store.credentials.add(tx, KEYS, "mine", Cloud.AWS, {"a": "1"})
            await store.clusters.create(tx, build.cluster())
            assert await store.credentials.used_by(tx, KEYS) == [(ONE, "web")]
            with pytest.raises(InUse, match="used by web"):
                await store.credentials.remove(tx, KEYS)
            await store.clusters.record(tx, ONE, **build.recorded(deleted_at=AT))
            assert await store.credentials.used_by(tx, KEYS) == []
            await store.credentials.remove(tx, KEYS)
            assert await store.credentials.get(tx, KEYS) is None
            with pytest.raises(Unknown):
                await store.credentials.remove(tx, KEYS)

    play(story)


def test_a_region_comes_back_with_its_prices_and_is_replaced(
    play: Any, clock: Any, build: Any
) -> None:
    async def story(store: Store) -> None:
        offering = Offering(build.offering, Size(2, 4096), Decimal("0.0416"))
        quota = Quota("L-1", "vCPUs", "vCPU", 64.0, 3.0)
        first = Region(
            "eu-central-1", ("a", "b"), (offering,), (quota,), {"amd64": "ami-1"}, Decimal("0.005")
        )
        second = dataclasses.replace(first, images={"amd64": "ami-2"})
        async with store.writing() as tx:
            await store.credentials.add(tx, KEYS, "mine", Cloud.AWS, {"a": "1"})
            await store.regions.save(tx, KEYS, first)
        saved = clock.now()
        async with store.reading() as tx:
            assert await store.regions.get(tx, KEYS, "eu-central-1") == (first, saved)
            assert await store.regions.get(tx, KEYS, "eu-west-1") is None
        async with store.writing() as tx:
            await store.regions.save(tx, KEYS, second)
        async with store.reading() as tx:
            found = await store.regions.get(tx, KEYS, "eu-central-1")
            assert found == (second, saved)
            again = await store.regions.get(tx, KEYS, "eu-central-1")
            assert again is not None
            assert again[0] is found[0], "decoded once"

    play(story)


def test_secrets_are_sealed_and_bound_to_their_place(play: Any, build: Any) -> None:
    async def story(store: Store) -> None:
        await build.saved(store)
        async with store.writing() as tx:
            await store.secrets.put(tx, ONE, "pki", b"PRIVATE")
            await store.secrets.put(tx, ONE, "token", b"TOKEN")
            assert await store.secrets.get(tx, ONE, "pki") == b"PRIVATE"
            assert await store.secrets.get(tx, TWO, "pki") is None
            assert await store.secrets.names(tx, ONE) == ("pki", "token")
            await tx.run(
                text(
                    "UPDATE secrets SET value = (SELECT value FROM secrets WHERE name = 'token') "
                    "WHERE name = 'pki'"
                )
            )
            with pytest.raises(Sealed, match=r"secrets/c1/pki: it was changed or belongs"):
                await store.secrets.get(tx, ONE, "pki")
            await store.secrets.drop(tx, ONE)
            assert await store.secrets.names(tx, ONE) == ()

    play(story)
