"""The vault: a sealed value opens with its key and in its place only."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from holdfast.model.ids import (
    ClusterId,
    CredentialsId,
    EngineKey,
    MachineId,
)
from holdfast.model.offering import Cloud
from holdfast.model.wake import Why
from holdfast.store.errors import (
    Sealed,
)
from holdfast.store.store import Store, open_store
from holdfast.store.tables import wakes
from holdfast.store.vault import Vault, rotate

ONE = ClusterId("c1")
KEYS = CredentialsId("k1")


def test_a_sealed_value_opens_with_its_key_and_place_only(chance: Any) -> None:
    vault = Vault([b"a" * 32], chance)
    sealed = vault.seal(b"secret", "here")
    assert vault.open(sealed, "here") == b"secret"
    assert vault.seal(b"secret", "here") != sealed
    with pytest.raises(Sealed, match="there: it was changed or belongs to something else"):
        vault.open(sealed, "there")
    with pytest.raises(Sealed, match="sealed with another master key"):
        Vault([b"b" * 32], chance).open(sealed, "here")
    for spot in range(len(sealed)):
        changed = sealed[:spot] + bytes([sealed[spot] ^ 1]) + sealed[spot + 1 :]
        with pytest.raises(Sealed):
            vault.open(changed, "here")
    for length in range(len(sealed)):
        with pytest.raises(Sealed):
            vault.open(sealed[:length], "here")


def test_a_key_file_is_made_private_and_others_are_refused(tmp_path: Path, chance: Any) -> None:
    path = tmp_path / "keys" / "master.key"
    sealed = Vault.from_file(path, chance).seal(b"x", "y")
    assert path.stat().st_mode & 0o777 == 0o600
    assert Vault.from_file(path, chance).open(sealed, "y") == b"x"
    path.chmod(0o640)
    with pytest.raises(Sealed, match=r"master\.key: mode is 0640, others can read it"):
        Vault.from_file(path, chance)
    path.chmod(0o600)
    for content in ("", "not base64!", "c2hvcnQ="):
        path.write_text(content)
        with pytest.raises(Sealed, match=r"master\.key: expected"):
            Vault.from_file(path, chance)


def test_after_a_rotation_everything_opens_with_the_new_key_alone(
    tmp_path: Path, clock: Any, chance: Any, build: Any
) -> None:
    path, url = tmp_path / "master.key", f"sqlite+aiosqlite:///{tmp_path}/holdfast.db"

    async def fill() -> None:
        vault = Vault.from_file(path, chance)
        async with await open_store(url, vault, clock, chance) as store:
            await build.saved(store, build.machine())
            async with store.writing() as tx:
                await store.installation.get_or_make(tx)
                await store.installation.keep(tx, "ca", b"CA")
                await store.credentials.add(tx, KEYS, "mine", Cloud.AWS, {"a": "1"})
                await store.secrets.put(tx, ONE, "pki", b"PKI")
                await store.agents.bind(tx, MachineId("m1"), "PEM", "boot")
                await store.agents.advance(tx, MachineId("m1"), 1, "d", b"ANSWER")

    async def rewrap() -> None:
        rotate(path, chance)
        vault = Vault.from_file(path, chance)
        async with await open_store(url, vault, clock, chance) as store, store.writing() as tx:
            assert await store.rewrap(tx) == 5
            assert await store.rewrap(tx) == 0

    async def check() -> None:
        path.write_text(path.read_text().splitlines()[0] + "\n")
        vault = Vault.from_file(path, chance)
        async with await open_store(url, vault, clock, chance) as store, store.reading() as tx:
            await store.installation.get_or_make(tx)
            assert await store.installation.kept(tx, "ca") == b"CA"
            assert await store.credentials.secret(tx, KEYS) == {"a": "1"}
            assert await store.secrets.get(tx, ONE, "pki") == b"PKI"
            agent = await store.agents.get(tx, MachineId("m1"))
            assert agent is not None
            assert agent.last_answer == b"ANSWER"

    asyncio.run(fill())
    asyncio.run(rewrap())
    asyncio.run(check())


def test_a_listener_hears_wakes_only_after_their_commit(play: Any) -> None:
    async def story(store: Store) -> None:
        seen: list[tuple[EngineKey, Why, bool]] = []

        async def listen(key: EngineKey, why: Why) -> None:
            async with store.reading() as tx:
                known = await tx.row(select(wakes.c.key))
            seen.append((key, why, known is not None))

        store.on_wake(listen)
        async with store.writing() as tx:
            await store.leases.wake(tx, EngineKey("account:1"), Why.SPOT)
            assert seen == []
        assert seen == [("account:1", Why.SPOT, True)]

    play(story)
