"""Agents, heartbeats and refusals: one key a machine, no replay, lateness told once."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from holdfast.model.ids import (
    ClusterId,
    MachineId,
)
from holdfast.store.errors import (
    AlreadyBound,
    OldCounter,
)
from holdfast.store.heartbeats import Heartbeats
from holdfast.store.refusals import Refusals
from holdfast.store.store import Store
from holdfast.store.tables import agents

AT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
ONE = ClusterId("c1")


def test_a_machine_is_bound_to_one_key(play: Any, build: Any) -> None:
    async def story(store: Store) -> None:
        await build.saved(store, build.machine())
        machine = MachineId("m1")
        async with store.writing() as tx:
            assert await store.agents.get(tx, machine) is None
            await store.agents.bind(tx, machine, "PEM", "boot-1")
            await store.agents.bind(tx, machine, "PEM", "boot-1")
            with pytest.raises(AlreadyBound, match="machine m1"):
                await store.agents.bind(tx, machine, "OTHER", "boot-1")
            row = await store.agents.get(tx, machine)
            assert row is not None
            assert (row.public_key, row.counter, row.last_answer) == ("PEM", 0, None)

    play(story)


def test_a_counter_only_rises_and_the_last_answer_is_kept_sealed(play: Any, build: Any) -> None:
    """F57."""

    async def story(store: Store) -> None:
        await build.saved(store, build.machine())
        machine = MachineId("m1")
        async with store.writing() as tx:
            await store.agents.bind(tx, machine, "PEM", "boot-1")
            await store.agents.advance(tx, machine, 5, "digest", b"CA KEY")
            for counter in (5, 4):
                with pytest.raises(OldCounter, match=f"counter {counter} is not above"):
                    await store.agents.advance(tx, machine, counter, "d", b"")
            row = await store.agents.get(tx, machine)
            assert row is not None
            assert (row.counter, row.last_digest, row.last_answer) == (
                5,
                "digest",
                b"CA KEY",
            )
            raw = await tx.row(select(agents.c.last_answer))
            assert raw is not None
            assert b"CA KEY" not in raw["last_answer"]

    play(story)


def test_a_silent_agent_becomes_late_once_and_comes_back_once(clock: Any) -> None:
    beats = Heartbeats(clock)
    machine = MachineId("m1")
    beats.beat(machine, clock.now())
    assert beats.changes() == []
    clock.turn(12)
    assert beats.view()[machine].late is False
    clock.turn(0.5)
    assert beats.view()[machine].late is True
    assert beats.changes() == [machine]
    assert beats.changes() == []
    beats.beat(machine, clock.now())
    assert beats.changes() == [machine]
    assert beats.view()[machine].last_heartbeat == clock.now()
    clock.jump(3600)
    assert beats.changes() == []
    beats.forget(machine)
    assert beats.view() == {}


def test_after_a_restart_a_silent_agent_is_late_in_its_time(
    url: str, opened: Any, clock: Any, build: Any
) -> None:
    if url.endswith("//"):
        pytest.skip("a database in memory ends with its process")

    async def story() -> None:
        async with opened() as store:
            await build.saved(
                store, build.machine(), build.machine("m2"), build.machine("m3", gone_at=AT)
            )
            async with store.writing() as tx:
                for name in ("m1", "m2", "m3"):
                    await store.agents.bind(tx, MachineId(name), "PEM", "boot")
        heard = clock.now()
        clock.turn(600)
        async with opened() as store:
            assert set(store.heartbeats.view()) == {"m1", "m2"}
            assert not any(seen.late for seen in store.heartbeats.view().values())
            clock.turn(10)
            store.heartbeats.beat(MachineId("m1"), clock.now())
            clock.turn(10)
            assert store.heartbeats.changes() == ["m2"]
            assert store.heartbeats.view()[MachineId("m2")].last_heartbeat == heard

    asyncio.run(story())


def test_refusals_are_bounded_cut_and_found_by_cluster(play: Any, clock: Any, build: Any) -> None:
    async def story(store: Store) -> None:
        await build.saved(store, build.machine())
        few = Refusals(clock, kept=3)
        async with store.writing() as tx:
            for number in range(5):
                await few.add(tx, f"stranger {number}", "no such machine", "10.0.0.9")
            await few.add(tx, "m1", "x" * 1000, "10.0.0.9")
            everything = await store.refusals.list(tx, None)
            assert [each.machine for each in everything] == ["m1", "stranger 4", "stranger 3"]
            (ours,) = await store.refusals.list(tx, ONE)
            assert ours.reason == "x" * 200

    play(story)
