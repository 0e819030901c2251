"""What will happen in a world by itself: in the order of due times, each at its own moment."""

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from holdfast.clock import Clock

SHORTEST = 0.001  # seconds of one wait: less may be lost in a float

Step = Callable[[], None]


@dataclass(order=True, slots=True)
class _Due:
    at: float
    number: int
    step: Step = field(compare=False)
    is_late: bool = field(compare=False, default=False)


class Timeline:
    """Steps with due times, in virtual seconds of the clock.

    Nothing runs by itself: whoever looks at the world settles it first, so that a step takes
    effect at its own moment as far as anybody can tell. `keep` also runs them on time, which
    only those need who are told of happenings.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: list[_Due] = []
        self._numbers = count()
        self._at: float | None = None
        self._sooner = asyncio.Event()

    @property
    def now(self) -> float:
        """The moment of the step that runs; outside of steps, of the clock."""
        return self._clock.monotonic() if self._at is None else self._at

    @property
    def late(self) -> int:
        """How many calls whose time-out is over have not taken effect yet."""
        return sum(one.is_late for one in self._due)

    @property
    def next_at(self) -> float | None:
        """When the next step is due, in the clock's monotonic seconds."""
        return self._due[0].at if self._due else None

    def after(self, seconds: float, step: Step, *, late: bool = False) -> None:
        """Run a step so many seconds from now."""
        due = _Due(self.now + seconds, next(self._numbers), step, late)
        heapq.heappush(self._due, due)
        if self._due[0] is due:
            self._sooner.set()

    def settle(self) -> None:
        """Run everything that is due."""
        if self._at is not None:
            return
        now = self._clock.monotonic()
        while self._due and self._due[0].at <= now:
            self._run(heapq.heappop(self._due))

    def release(self) -> int:
        """Let every late call take effect now; returns how many there were."""
        late = sorted(one for one in self._due if one.is_late)
        self._due = [one for one in self._due if not one.is_late]
        heapq.heapify(self._due)
        for one in late:
            self._run(_Due(self._clock.monotonic(), one.number, one.step))
        return len(late)

    def _run(self, due: _Due) -> None:
        self._at = due.at
        try:
            due.step()
        finally:
            self._at = None

    async def keep(self) -> None:
        """Run steps when they are due, for ever; ends when it is cancelled."""
        while True:
            self.settle()
            self._sooner.clear()
            await self._until_next()

    async def _until_next(self) -> None:
        if self.next_at is None:
            await self._sooner.wait()
            return
        gap = max(SHORTEST, self.next_at - self._clock.monotonic())
        waits = [
            asyncio.ensure_future(self._clock.sleep(gap)),
            asyncio.ensure_future(self._sooner.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
