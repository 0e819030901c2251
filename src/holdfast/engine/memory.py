"""The in-process engine: client-go's queue for one event loop. It holds no truth.

    wake ----> ready heap (class, then age) --start--> processing --Again--> delayed heap
      |             ^        ^                             |                     |
      |             |        +---------- due --------------|---------------------+
      +-- while processing: dirty ------- end of the pass -+

A key is in at most one of ready and delayed, and while it is processed its wakes collect in
dirty. At start the caller fills it by the rescan. Time comes from the Clock: nothing runs while
nothing is due. Source: client-go util/workqueue.
"""

import asyncio
import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from itertools import count

import structlog

from holdfast.clock import Chance, Clock
from holdfast.engine.port import Handler
from holdfast.model.ids import EngineKey
from holdfast.model.wake import Again, Why

GRACE = 15.0  # seconds for running passes when the engine is stopped
SPOT_SLOTS = 2  # beyond `concurrency`, for SPOT alone: an announced loss waits for no one
FIRST_BACKOFF = timedelta(seconds=0.5)
LONGEST_BACKOFF = timedelta(seconds=300)
_SLACK = 64  # dead heap entries that are not worth a clean-up

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many keys are where, for metrics."""

    ready: int
    delayed: int
    processing: int


class MemoryEngine:
    """Runs passes of keys on this event loop; the promises are those of `engine.port`."""

    def __init__(self, clock: Clock, chance: Chance, grace: float = GRACE) -> None:
        self._clock = clock
        self._chance = chance
        self._grace = grace
        self._queue = _Queue()
        self._dirty: dict[EngineKey, Why] = {}
        self._processing: dict[EngineKey, asyncio.Task[None]] = {}
        self._raised: dict[EngineKey, int] = {}
        self._changed = asyncio.Event()
        self._alarm: tuple[float, asyncio.Task[None]] | None = None
        self._is_running = False

    @property
    def counts(self) -> Counts:
        """How many keys are where now."""
        return Counts(len(self._queue.ready), len(self._queue.delayed), len(self._processing))

    async def wake(self, key: EngineKey, why: Why) -> None:
        """Run the key's pass as soon as possible. Call after the reason was committed."""
        self._make_ready(key, why)
        self._changed.set()

    async def requeue(self, key: EngineKey, again: Again) -> None:
        """Run the key's pass later; nothing to do when a wake makes it run before that."""
        if again.after <= timedelta(0):
            await self.wake(key, again.why)
        elif key not in self._dirty:
            due = self._clock.monotonic() + again.after.total_seconds()
            self._queue.make_delayed(key, due, again.why)
            self._changed.set()

    async def run(self, handle: Handler, concurrency: int) -> None:
        """Serve until cancelled; running passes then get their grace and are cancelled after it.

        Raises ValueError for a concurrency below 1, RuntimeError when it is running already.
        """
        if concurrency < 1:
            message = f"concurrency: expected 1 or more, got {concurrency}"
            raise ValueError(message)
        if self._is_running:
            message = "the engine is running already"
            raise RuntimeError(message)
        self._is_running = True
        try:
            while True:
                self._changed.clear()
                for key, why in self._queue.take_due(self._clock.monotonic()):
                    self._make_ready(key, why)
                self._start(handle, concurrency)
                self._set_alarm()
                await self._changed.wait()
        finally:
            self._is_running = False
            await self._stop()

    def _make_ready(self, key: EngineKey, why: Why) -> None:
        if key in self._processing:
            self._dirty[key] = max(why, self._dirty.get(key, why))
        else:
            self._queue.make_ready(key, why)

    def _start(self, handle: Handler, concurrency: int) -> None:
        """Start ready passes, most urgent first, while there are slots for them."""
        while (why := self._queue.most_urgent()) is not None:
            slots = concurrency + (SPOT_SLOTS if why is Why.SPOT else 0)
            if len(self._processing) >= slots:
                return
            key = self._queue.pop()
            # No TaskGroup: it would cancel the passes at once when the engine is stopped.
            self._processing[key] = asyncio.create_task(self._pass(handle, key), name=key)

    async def _pass(self, handle: Handler, key: EngineKey) -> None:
        again: Again | None = None
        try:
            again = await handle(key)
        except Exception:  # noqa: BLE001  (one key's bug must not end the loop of all others)
            _log.exception("pass_raised", key=key)
        finally:
            # In the task, before the event: a done-callback would free the slot after the loop
            # has looked, and the loop would sleep for ever.
            del self._processing[key]
            await self._after(key, again)
            self._changed.set()

    async def _after(self, key: EngineKey, again: Again | None) -> None:
        """Queue the key again; None is a pass that raised."""
        if again is None:
            again = Again(self._backoff(key), Why.RETRY)
        else:
            self._raised.pop(key, None)
        if (why := self._dirty.pop(key, None)) is not None:
            self._queue.make_ready(key, why)
        else:
            await self.requeue(key, again)

    def _backoff(self, key: EngineKey) -> timedelta:
        """min(300 s, 0.5 s * 2^(n-1)) times 0.5 to 1, for the n-th raise in a row."""
        times = self._raised.get(key, 0) + 1
        self._raised[key] = times
        longest: timedelta = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** min(times - 1, 16))
        return longest * (0.5 + self._chance.random() / 2)

    def _set_alarm(self) -> None:
        """Wake the loop when the next delayed key is due; a later alarm that stands is harmless."""
        due = self._queue.next_due()
        if due is None or (self._alarm is not None and self._alarm[0] <= due):
            return
        self._clear_alarm()
        self._alarm = (due, asyncio.create_task(self._ring(due), name="engine alarm"))

    async def _ring(self, due: float) -> None:
        await self._clock.sleep(due - self._clock.monotonic())
        self._alarm = None
        self._changed.set()

    def _clear_alarm(self) -> asyncio.Task[None] | None:
        if self._alarm is None:
            return None
        alarm, self._alarm = self._alarm[1], None
        alarm.cancel()
        return alarm

    async def _stop(self) -> None:
        """No new work; wait for running passes for the grace, then cancel them."""
        alarm = self._clear_alarm()
        running = list(self._processing.values())
        limit = asyncio.create_task(self._clock.sleep(self._grace), name="engine grace")
        ended = asyncio.create_task(_all_end(running), name="engine drain")
        try:
            await asyncio.wait({limit, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*running, limit):
                task.cancel()
            await _all_end([*running, limit, ended, *([alarm] if alarm else [])])
            self._processing.clear()  # a pass that was cancelled before its first step is in it


async def _all_end(tasks: Iterable[asyncio.Task[None]]) -> None:
    if waiting := [task for task in tasks if not task.done()]:
        await asyncio.wait(waiting)


class _Queue:
    """Two heaps with late deletion: the dictionaries say what holds, a heap entry may be dead."""

    def __init__(self) -> None:
        self.ready: dict[EngineKey, tuple[Why, int]] = {}  # class, age
        self.delayed: dict[EngineKey, tuple[float, Why]] = {}  # due, class
        self._by_class: list[tuple[int, int, EngineKey]] = []  # -class, age
        self._by_due: list[tuple[float, EngineKey]] = []
        self._ages = count()

    def make_ready(self, key: EngineKey, why: Why) -> None:
        """Now: replaces a delayed entry, raises the class of a ready one and keeps its age."""
        self.delayed.pop(key, None)
        known = self.ready.get(key)
        if known is not None and known[0] >= why:
            return
        age = next(self._ages) if known is None else known[1]
        self.ready[key] = (why, age)
        heapq.heappush(self._by_class, (-why, age, key))

    def make_delayed(self, key: EngineKey, due: float, why: Why) -> None:
        """Later: the earlier of two times and the higher of two classes; nothing when ready."""
        if key in self.ready:
            return
        known = self.delayed.get(key)
        if known is not None:
            due, why = min(due, known[0]), max(why, known[1])
        self.delayed[key] = (due, why)
        heapq.heappush(self._by_due, (due, key))
        if len(self._by_due) > 2 * len(self.delayed) + _SLACK:
            self._by_due = [(each, name) for name, (each, _) in self.delayed.items()]
            heapq.heapify(self._by_due)

    def take_due(self, now: float) -> list[tuple[EngineKey, Why]]:
        """The delayed keys that are due, taken out."""
        taken = []
        while (due := self.next_due()) is not None and due <= now:
            _, key = heapq.heappop(self._by_due)
            taken.append((key, self.delayed.pop(key)[1]))
        return taken

    def next_due(self) -> float | None:
        """When the next delayed key is due."""
        while self._by_due:
            due, key = self._by_due[0]
            if key in self.delayed and self.delayed[key][0] == due:
                return due
            heapq.heappop(self._by_due)
        return None

    def most_urgent(self) -> Why | None:
        """The class of the next ready key."""
        while self._by_class:
            urgency, age, key = self._by_class[0]
            if self.ready.get(key) == (-urgency, age):
                return self.ready[key][0]
            heapq.heappop(self._by_class)
        return None

    def pop(self) -> EngineKey:
        """Take the next ready key; call after `most_urgent` named its class."""
        key = heapq.heappop(self._by_class)[2]
        del self.ready[key]
        return key
