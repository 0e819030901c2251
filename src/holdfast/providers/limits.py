"""How fast a cloud may be asked: one token bucket per account + region + API group, shared by all.

A cloud counts calls per account, so that twenty clusters in one account must share one budget.
Waiting calls go in order of arrival, urgent ones (deletes, spot) first. Time comes from the clock
alone, so that a simulation drives it.
"""

import heapq
from collections import defaultdict
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count

from pyrate_limiter import Rate, RateItem, StateBucket, TokenBucket

from holdfast.clock import Clock

FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Budget:
    """`burst` calls at once, then `per_second` calls a second. Whole numbers, both at least 1."""

    burst: int
    per_second: int


@dataclass(frozen=True, slots=True)
class BucketKey:
    """Which bucket: `group` is the cloud's own unit of counting, as "ec2:DescribeVpcs"."""

    account: str
    region: str
    group: str


@dataclass(slots=True)
class _Bucket:
    budget: Budget
    tokens: StateBucket
    waiting: list[tuple[bool, int]] = field(default_factory=list)
    open_at: float = 0.0  # monotonic seconds; closed before that
    pause: timedelta = FIRST_PAUSE  # the next one


class Limits:
    """All buckets of one process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[BucketKey, _Bucket] = {}
        self._arrivals = count()
        self.waited: defaultdict[str, float] = defaultdict(float)  # seconds by group, for metrics

    async def acquire(self, key: BucketKey, budget: Budget, *, urgent: bool = False) -> None:
        """Return when one more call may be made. `budget` counts when the bucket is new."""
        bucket = self._bucket(key, budget)
        ticket = (not urgent, next(self._arrivals))
        heapq.heappush(bucket.waiting, ticket)
        try:
            while (delay := self._delay(bucket, ticket)) > 0:
                self.waited[key.group] += delay
                await self._clock.sleep(delay)
        finally:
            bucket.waiting.remove(ticket)
            heapq.heapify(bucket.waiting)

    def slow(self, key: BucketKey, budget: Budget, retry_after: timedelta | None) -> timedelta:
        """The cloud said "too many calls": close the bucket for a while, longer each time.

        Returns for how long: what the cloud asked for, else 1 s, doubling to 60 s. Answers to
        calls that were under way when it was closed do not make it longer.
        """
        bucket = self._bucket(key, budget)
        now = self._clock.monotonic()
        pause = retry_after or timedelta(0)
        if now >= bucket.open_at:
            pause = max(pause, bucket.pause)
            bucket.pause = min(bucket.pause * 2, LONGEST_PAUSE)
        bucket.open_at = max(bucket.open_at, now + pause.total_seconds())
        return timedelta(seconds=bucket.open_at - now)

    def went_well(self, key: BucketKey) -> None:
        """A call was answered without complaint: the next pause is the shortest again."""
        bucket = self._buckets.get(key)
        if bucket is not None:
            bucket.pause = FIRST_PAUSE

    def _bucket(self, key: BucketKey, budget: Budget) -> _Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            rate = Rate(budget.per_second, 1000, burst=budget.burst)
            bucket = _Bucket(budget, StateBucket([rate], TokenBucket()))
            self._buckets[key] = bucket
        return bucket

    def _delay(self, bucket: _Bucket, ticket: tuple[bool, int]) -> float:
        """Seconds to wait before asking again; 0 means that a token was taken."""
        now = self._clock.monotonic()
        if now < bucket.open_at:
            return bucket.open_at - now
        rank = sum(1 for other in bucket.waiting if other < ticket)
        if rank:
            return rank / bucket.budget.per_second
        if bucket.tokens.put(RateItem("call", int(now * 1000))):
            return 0.0
        return 1 / bucket.budget.per_second


@dataclass(frozen=True, slots=True)
class Shared:
    """What all providers of one process have in common. SDKs block: their calls run in threads."""

    executor: Executor
    limits: Limits
    clock: Clock
