"""The token buckets, on a clock that is turned by hand."""

import asyncio
from datetime import UTC, datetime, timedelta

from holdfast.providers.limits import BucketKey, Budget, Limits

KEY = BucketKey("123456789012", "eu-central-1", "ec2:DescribeVpcs")
BUDGET = Budget(burst=5, per_second=2)


class Turned:
    """Sleeping turns the clock to the moment when the first sleeper is due."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> datetime:
        return datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        due = self.seconds + seconds
        await asyncio.sleep(0)
        self.seconds = max(self.seconds, due)


def test_a_burst_is_free_and_then_the_rate_holds() -> None:
    clock = Turned()
    limits = Limits(clock)

    async def story() -> list[float]:
        times = []
        for _ in range(15):
            await limits.acquire(KEY, BUDGET)
            times.append(clock.seconds - 100)
        return times

    times = asyncio.run(story())
    assert times[:5] == [0.0] * 5
    assert 4.5 <= times[-1] <= 6.0
    # In no window of any length does more pass than burst + rate x length.
    for start, first in enumerate(times):
        for end in range(start, len(times)):
            assert end - start + 1 <= 5 + 2 * (times[end] - first) + 0.01


def test_buckets_of_other_accounts_regions_and_groups_are_their_own() -> None:
    clock = Turned()
    limits = Limits(clock)
    others = [
        BucketKey("other", KEY.region, KEY.group),
        BucketKey(KEY.account, "eu-west-1", KEY.group),
        BucketKey(KEY.account, KEY.region, "ec2:CreateVpc"),
    ]

    async def story() -> None:
        for key in (KEY, *others):
            for _ in range(5):
                await limits.acquire(key, BUDGET)

    asyncio.run(story())
    assert clock.seconds == 100.0


def test_calls_pass_in_order_of_arrival_and_urgent_ones_first() -> None:
    clock = Turned()
    limits = Limits(clock)
    passed: list[str] = []

    async def call(name: str, *, urgent: bool = False) -> None:
        await limits.acquire(KEY, BUDGET, urgent=urgent)
        passed.append(name)

    async def story() -> None:
        for _ in range(5):
            await limits.acquire(KEY, BUDGET)
        async with asyncio.TaskGroup() as group:
            for n in range(4):
                group.create_task(call(f"read {n}"))
            group.create_task(call("delete", urgent=True))

    asyncio.run(story())
    assert passed == ["delete", "read 0", "read 1", "read 2", "read 3"]


def test_a_throttled_bucket_is_closed_longer_each_time_and_obeys_the_cloud() -> None:
    clock = Turned()
    limits = Limits(clock)

    def slowed(retry_after: timedelta | None = None) -> float:
        clock.seconds += 100
        return limits.slow(KEY, BUDGET, retry_after).total_seconds()

    assert [slowed() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert slowed(timedelta(seconds=90)) == 90
    limits.went_well(KEY)
    assert slowed() == 1
    before = clock.seconds
    asyncio.run(limits.acquire(KEY, BUDGET))
    assert clock.seconds >= before + 1


def test_the_answers_to_one_burst_count_as_one_complaint() -> None:
    clock = Turned()
    limits = Limits(clock)
    assert {limits.slow(KEY, BUDGET, None).total_seconds() for _ in range(20)} == {1}
    clock.seconds += 10
    assert limits.slow(KEY, BUDGET, None).total_seconds() == 2


def test_a_cancelled_call_gives_its_place_back() -> None:
    clock = Turned()
    limits = Limits(clock)

    async def story() -> None:
        for _ in range(5):
            await limits.acquire(KEY, BUDGET)
        waiting = asyncio.create_task(limits.acquire(KEY, BUDGET))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await limits.acquire(KEY, BUDGET)

    asyncio.run(asyncio.wait_for(story(), 5))
