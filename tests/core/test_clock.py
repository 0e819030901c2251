"""The doors to time and chance."""

import asyncio
import re
from datetime import UTC, timedelta

from holdfast.clock import Chance, Clock, SystemChance, SystemClock


def test_the_system_fits_the_ports() -> None:
    clock: Clock = SystemClock()
    chance: Chance = SystemChance()
    assert clock.monotonic() > 0
    assert chance.uuid()


def test_now_is_aware_and_utc() -> None:
    assert SystemClock().now().tzinfo is UTC
    assert SystemClock().now().utcoffset() == timedelta(0)


def test_monotonic_never_goes_back() -> None:
    clock = SystemClock()
    readings = [clock.monotonic() for _ in range(1000)]
    assert readings == sorted(readings)


def test_sleep_takes_its_time_and_lets_others_run_when_it_has_none() -> None:
    async def story() -> None:
        clock = SystemClock()
        started = clock.monotonic()
        await clock.sleep(0.02)
        assert clock.monotonic() - started >= 0.019

        ran: list[str] = []

        async def other() -> None:
            ran.append("other")

        task = asyncio.create_task(other())
        await clock.sleep(-5)
        assert ran == ["other"]
        await task

    asyncio.run(story())


def test_uuids_are_lower_case_version_4_and_differ() -> None:
    chance = SystemChance()
    made = {chance.uuid() for _ in range(1000)}
    assert len(made) == 1000
    shape = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
    assert all(shape.fullmatch(each) for each in made)


def test_a_token_is_url_safe_and_carries_all_its_bytes() -> None:
    token = SystemChance().token(32)
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", token)


def test_random_stays_below_one_and_spreads() -> None:
    chance = SystemChance()
    numbers = [chance.random() for _ in range(2000)]
    assert all(0 <= number < 1 for number in numbers)
    assert 0.4 < sum(numbers) / len(numbers) < 0.6


def test_bytes_are_as_many_as_asked_for() -> None:
    chance = SystemChance()
    assert [len(chance.bytes(n)) for n in (0, 1, 32)] == [0, 1, 32]
    assert chance.bytes(32) != chance.bytes(32)
