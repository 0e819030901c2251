"""Every engine keeps the promises of `engine.port`; on virtual time, so nothing really waits."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
import structlog

from holdfast.model.ids import EngineKey
from holdfast.model.wake import Again, Why

A, B, C = EngineKey("a"), EngineKey("b"), EngineKey("c")
HOUR = Again(timedelta(hours=1), Why.TICK)


def lasting(seconds: float, again: Again = HOUR) -> Callable[[EngineKey], Awaitable[Again]]:
    async def behave(key: EngineKey) -> Again:
        await asyncio.sleep(seconds)
        return again

    return behave


def test_a_wake_runs_a_pass_and_the_pass_says_when_again(played: Any) -> None:
    async def story(world: Any) -> None:
        await world.serve()
        await world.engine.wake(A, Why.USER)
        await asyncio.sleep(7201)

    world = played(story)
    assert world.starts == [(0, A), (3600, A), (7200, A)]


def test_many_wakes_before_a_start_are_one_pass_at_the_highest_class(played: Any) -> None:
    async def story(world: Any) -> None:
        await world.engine.wake(B, Why.USER)
        for why in (Why.TICK, Why.SPOT, Why.USER):
            await world.engine.wake(A, why)
        await world.serve(concurrency=1)
        await asyncio.sleep(1)

    assert played(story).started == [A, B]


def test_two_wakes_during_a_pass_are_one_further_pass_at_the_higher_class(played: Any) -> None:
    async def story(world: Any) -> None:
        world.behave = lasting(10)
        await world.serve(concurrency=1)
        await world.engine.wake(A, Why.USER)
        await asyncio.sleep(1)
        await world.engine.wake(B, Why.USER)
        await world.engine.wake(A, Why.SPOT)
        await world.engine.wake(A, Why.TICK)
        await asyncio.sleep(100)

    world = played(story)
    assert world.starts == [(0, A), (10, A), (20, B)]


def test_run_now_replaces_a_delayed_entry(played: Any) -> None:
    async def story(world: Any) -> None:
        await world.serve()
        await world.engine.requeue(A, Again(timedelta(seconds=60), Why.TICK))
        await asyncio.sleep(1)
        await world.engine.wake(A, Why.USER)
        await asyncio.sleep(600)

    assert played(story).starts == [(1, A)]


@pytest.mark.parametrize("why", list(Why))
def test_a_requeue_never_delays_or_hides_a_wake(why: Why, played: Any) -> None:
    async def story(world: Any) -> None:
        world.behave = lasting(5)
        await world.engine.wake(A, Why.TICK)
        await world.engine.requeue(A, Again(timedelta(seconds=60), why))
        await world.serve()
        await asyncio.sleep(1)
        await world.engine.wake(A, Why.TICK)
        await world.engine.requeue(A, Again(timedelta(seconds=60), why))
        await asyncio.sleep(600)

    assert played(story).starts == [(0, A), (5, A)]


def test_a_requeue_that_is_due_during_a_pass_waits_for_its_end(played: Any) -> None:
    async def story(world: Any) -> None:
        world.behave = lasting(10)
        await world.serve()
        await world.engine.wake(A, Why.USER)
        await asyncio.sleep(1)
        await world.engine.requeue(A, Again(timedelta(seconds=2), Why.TICK))
        await asyncio.sleep(100)

    world = played(story)
    assert world.starts == [(0, A), (10, A)]
    assert world.overlaps == 0


def test_of_two_requeues_the_earlier_holds(played: Any) -> None:
    async def story(world: Any) -> None:
        await world.serve()
        for seconds in (30, 10, 20):
            await world.engine.requeue(A, Again(timedelta(seconds=seconds), Why.TICK))
        await asyncio.sleep(100)

    assert played(story).starts == [(10, A)]


def test_order_is_by_class_then_age(played: Any) -> None:
    order = [EngineKey(name) for name in ("s", "u1", "u2", "r", "t")]

    async def story(world: Any) -> None:
        world.behave = lasting(1)
        for name, why in [
            ("t", Why.TICK),
            ("u1", Why.USER),
            ("r", Why.RETRY),
            ("u2", Why.USER),
            ("s", Why.SPOT),
        ]:
            await world.engine.wake(EngineKey(name), why)
        await world.serve(concurrency=1)
        await asyncio.sleep(100)

    assert played(story).started == order


def test_a_raised_class_keeps_the_age(played: Any) -> None:
    async def story(world: Any) -> None:
        world.behave = lasting(1)
        await world.engine.wake(A, Why.TICK)
        await world.engine.wake(B, Why.USER)
        await world.engine.wake(A, Why.USER)
        await world.serve(concurrency=1)
        await asyncio.sleep(100)

    assert played(story).started == [A, B]


def test_concurrency_bounds_passes_and_different_keys_run_together(played: Any) -> None:
    async def story(world: Any) -> None:
        world.behave = lasting(1)
        for number in range(10):
            await world.engine.wake(EngineKey(str(number)), Why.USER)
        await world.serve(concurrency=3)
        await asyncio.sleep(100)

    world = played(story)
    assert world.most == 3
    assert world.ends[-1][0] == 4


def test_an_announced_loss_starts_although_all_slots_are_full(played: Any) -> None:
    async def story(world: Any) -> None:
        world.behave = lasting(60)
        await world.serve(concurrency=1)
        await world.engine.wake(A, Why.USER)
        await asyncio.sleep(1)
        await world.engine.wake(B, Why.USER)
        await world.engine.wake(C, Why.SPOT)
        await asyncio.sleep(1)

    assert played(story).started == [A, C]


def test_a_raise_is_logged_and_retried_with_growing_pauses_that_reset(played: Any) -> None:
    passes = iter(["raise", "raise", "raise", "good", "raise", "good"])

    async def behave(key: EngineKey) -> Again:
        if next(passes) == "raise":
            raise ValueError(key)
        return Again(timedelta(seconds=100), Why.TICK)

    async def story(world: Any) -> None:
        world.behave = behave
        await world.serve()
        await world.engine.wake(A, Why.USER)
        await asyncio.sleep(200)

    with structlog.testing.capture_logs() as logs:
        world = played(story)
    assert [at for at, _ in world.starts] == [0, 0.5, 1.5, 3.5, 103.5, 104]
    assert [(line["event"], line["key"], line["log_level"]) for line in logs] == [
        ("pass_raised", A, "error")
    ] * 4


def test_a_raise_does_not_stop_other_keys(played: Any) -> None:
    async def behave(key: EngineKey) -> Again:
        if key == A:
            raise ValueError(key)
        return HOUR

    async def story(world: Any) -> None:
        world.behave = behave
        await world.serve(concurrency=1)
        await world.engine.wake(A, Why.USER)
        await asyncio.sleep(0.1)
        await world.engine.wake(B, Why.USER)
        await asyncio.sleep(0.1)

    with structlog.testing.capture_logs():
        assert played(story).started == [A, B]


def test_a_wake_during_a_failing_pass_does_not_wait_for_the_backoff(played: Any) -> None:
    async def behave(key: EngineKey) -> Again:
        await asyncio.sleep(1)
        raise ValueError(key)

    async def story(world: Any) -> None:
        world.behave = behave
        await world.serve()
        await world.engine.wake(A, Why.USER)
        await asyncio.sleep(0.5)
        await world.engine.wake(A, Why.SPOT)
        await asyncio.sleep(0.6)

    with structlog.testing.capture_logs():
        assert played(story).starts == [(0, A), (1, A)]


def test_stop_lets_passes_end_within_their_grace_and_starts_nothing_new(played: Any) -> None:
    async def story(world: Any) -> None:
        world.behave = lasting(10)
        await world.serve(concurrency=1)
        await world.engine.wake(A, Why.USER)
        await asyncio.sleep(1)
        await world.engine.wake(B, Why.USER)
        await world.stop()
        assert world.clock.monotonic() == 10
        await asyncio.sleep(100)

    world = played(story)
    assert world.started == [A]
    assert world.ends == [(10, A)]


def test_stop_cancels_a_pass_that_outlasts_its_grace(played: Any) -> None:
    cancelled: list[EngineKey] = []

    async def behave(key: EngineKey) -> Again:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            cancelled.append(key)
            raise
        return HOUR

    async def story(world: Any) -> None:
        world.behave = behave
        await world.serve()
        await world.engine.wake(A, Why.USER)
        await asyncio.sleep(1)
        await world.stop()
        assert world.clock.monotonic() == 16
        assert len(asyncio.all_tasks()) == 1

    played(story)
    assert cancelled == [A]


def test_an_idle_engine_does_not_poll(played: Any) -> None:
    async def story(world: Any) -> None:
        await world.serve()
        await world.engine.requeue(A, HOUR)
        await asyncio.sleep(0)
        await asyncio.sleep(3599)
        assert world.clock.sleeps == 1
        assert world.starts == []
        await asyncio.sleep(2)

    assert played(story).starts == [(3600, A)]


def test_bad_use_is_refused(played: Any) -> None:
    async def story(world: Any) -> None:
        with pytest.raises(ValueError, match="concurrency: expected 1 or more, got 0"):
            await world.engine.run(world.handle, 0)
        await world.serve()
        with pytest.raises(RuntimeError, match="running already"):
            await world.engine.run(world.handle, 1)

    played(story)


def test_dead_entries_do_not_pile_up(played: Any) -> None:
    async def story(world: Any) -> None:
        await world.serve()
        await world.engine.requeue(B, Again(timedelta(minutes=30), Why.TICK))
        for _ in range(5000):
            await world.engine.wake(A, Why.USER)
            await asyncio.sleep(0.01)
        assert world.engine.counts.delayed == 2
        assert len(world.engine._queue._by_due) < 200

    assert len(played(story).starts) == 5000
