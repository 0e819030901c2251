"""Random wakes, requeues, raises, restarts and long passes: what holds for every engine."""

import asyncio
import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.model.ids import EngineKey
from holdfast.model.wake import Again, Why

A, B, C = EngineKey("a"), EngineKey("b"), EngineKey("c")


@dataclass(frozen=True)
class Step:
    """One random thing that happens to a key, `pause` seconds after the one before."""

    do: str
    key: EngineKey
    why: Why
    pause: float


STEPS = st.lists(
    st.builds(
        Step,
        do=st.sampled_from(["wake", "wake", "requeue", "restart"]),
        key=st.sampled_from([A, B, C]),
        why=st.sampled_from(list(Why)),
        pause=st.sampled_from([0, 0, 0.1, 1, 5]),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(steps=STEPS, seed=st.integers(0, 2**32), concurrency=st.integers(1, 3))
def test_no_overlap_and_no_lost_wake_whatever_happens(
    steps: list[Step], seed: int, concurrency: int, played: Any
) -> None:
    """Never two passes of a key; each wake is followed by a pass that begins after it; nothing is
    ready while slots are free; the most urgent ready key starts first.
    """
    chance = random.Random(seed)
    wakes: list[tuple[int, EngineKey]] = []  # starts seen so far, key

    async def behave(key: EngineKey) -> Again:
        await asyncio.sleep(chance.choice([0, 0, 0.05, 2]))
        if chance.random() < 0.15:
            raise ValueError(key)
        return Again(timedelta(seconds=chance.choice([0.2, 3, 3600])), Why.TICK)

    async def story(world: Any) -> None:
        world.behave = behave
        await world.serve(concurrency)
        for step in steps:
            await asyncio.sleep(step.pause)
            if step.do == "restart":
                await world.stop()
                await world.serve(concurrency)
            elif step.do == "wake":
                wakes.append((len(world.starts), step.key))
                await world.engine.wake(step.key, step.why)
            else:
                again = Again(timedelta(seconds=step.pause), step.why)
                await world.engine.requeue(step.key, again)
            await settled()
            counts = world.engine.counts
            assert not counts.ready or counts.processing >= concurrency
        await asyncio.sleep(30)

    with structlog.testing.capture_logs():
        world = played(story)
    assert world.overlaps == 0
    for seen, key in wakes:
        assert key in world.started[seen:], "a wake led to no pass that began after it"


async def settled() -> None:
    """Let everything that can run now run."""
    for _ in range(8):
        await asyncio.sleep(0)


def test_two_hundred_keys_in_chaos_all_converge_without_overlap(played: Any) -> None:
    """A key converges when three passes in a row were good; 15 % of passes fail for a minute."""
    chance = random.Random(7)
    good: dict[EngineKey, int] = {}
    keys = [EngineKey(f"cluster:{number}") for number in range(200)]

    async def behave(key: EngineKey) -> Again:
        await asyncio.sleep(chance.random())
        if asyncio.get_running_loop().time() < 60 and chance.random() < 0.15:
            good[key] = 0
            raise ValueError(key)
        good[key] = good.get(key, 0) + 1
        return Again(timedelta(seconds=1) if good[key] < 3 else timedelta(hours=1), Why.TICK)

    async def story(world: Any) -> None:
        world.behave = behave
        await world.serve(concurrency=20)
        while asyncio.get_running_loop().time() < 60:
            await world.engine.wake(chance.choice(keys), chance.choice(list(Why)))
            await asyncio.sleep(0.01)
        for key in keys:
            await world.engine.wake(key, Why.USER)
        await asyncio.sleep(120)
        assert world.engine.counts.ready == world.engine.counts.processing == 0

    with structlog.testing.capture_logs():
        world = played(story)
    assert world.overlaps == 0
    assert all(good[key] >= 3 for key in keys)
    assert len(world.starts) > 1500
