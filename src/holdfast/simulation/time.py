"""Time that jumps and chance that repeats: an event loop, a clock and a chance for one seed.

The loop has no socket and never waits: when nothing is ready it sets its time to the next timer. It
does wait, in real time, while a thread owes an answer: a jump then would let a time-out of an hour
fire before a query of a millisecond is answered.
"""

import asyncio
import base64
import contextvars
import random
import threading
import uuid
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar, TypeVarTuple

Got = TypeVar("Got")
Given = TypeVarTuple("Given")

EPOCH = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)  # the wall clock of virtual second 0
PATIENCE = 60.0  # real seconds that a thread may owe an answer
_MANY = 2048  # tasks of a tenant before ended ones are looked for


class NothingWillHappen(RuntimeError):
    """Every task waits and no timer is set: a real program would hang for ever."""


class Tenant:
    """The tasks of one simulated process, in the order in which they were made.

    A task belongs to the tenant of the task that made it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_dead = False
        self.held: list[asyncio.Handle] | None = None  # what it would do next, while it is frozen
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._limit = _MANY

    def add(self, task: "asyncio.Task[Any]") -> None:
        """One more task."""
        self._tasks[task] = None
        if len(self._tasks) > self._limit:
            self._tasks = dict.fromkeys(t for t in self._tasks if not t.done())
            self._limit = max(_MANY, 2 * len(self._tasks))

    def living(self) -> list["asyncio.Task[Any]"]:
        """Those that have not ended."""
        return [task for task in self._tasks if not task.done()]

    def freeze(self) -> None:
        """It is not scheduled any more, as a stopped process; called inside of it, the task that
        calls goes on to its next wait."""
        loop = asyncio.get_running_loop()
        if isinstance(loop, VirtualLoop) and self.held is None:
            self.held = []
            loop.hold(self)

    def thaw(self) -> None:
        """It goes on as if nothing had been, and every timer of it is over."""
        loop = asyncio.get_running_loop()
        if isinstance(loop, VirtualLoop) and self.held is not None:
            held, self.held = self.held, None
            loop.let_go(held)

    def spawn(self, work: Coroutine[Any, Any, Any], name: str | None = None) -> "asyncio.Task[Any]":
        """Start a task of this tenant, whoever asks for it."""
        context = contextvars.copy_context()
        context.run(_TENANT.set, self)
        return context.run(asyncio.create_task, work, name=name)


def tenant() -> Tenant | None:
    """The simulated process that this code runs in; None for the world outside of it."""
    return _TENANT.get()


_TENANT: contextvars.ContextVar[Tenant | None] = contextvars.ContextVar("tenant", default=None)


class _NumberedTask(asyncio.Task[Any]):
    """A task whose place in a set depends on its number, not on its address in memory."""

    _numbers = count()

    def __init__(self, *args: Any, **named: Any) -> None:
        self._number = next(self._numbers)
        super().__init__(*args, **named)

    def __hash__(self) -> int:
        return self._number


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop without sockets whose time jumps to the next timer when it is idle.

    owes  each tells how many answers threads owe that the loop does not know of; those of
          `run_in_executor` it counts itself
    """

    def __init__(self) -> None:
        self._virtual = 0.0
        self._in_threads = 0
        self._woken = threading.Event()
        self.owes: list[Callable[[], int]] = []
        self._ready: deque[asyncio.Handle]
        super().__init__()
        self._selector = self  # the base class asks it for events: `select` below
        self.set_task_factory(_numbered)  # type: ignore[arg-type]

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual

    def select(self, timeout: float | None) -> list[Any]:
        """Never waits for time to pass; waits for threads that owe an answer."""
        if timeout == 0:
            return []
        if self._in_threads or any(owed() for owed in self.owes):
            if not self._woken.wait(PATIENCE):
                raise NothingWillHappen(f"a thread owes an answer for {PATIENCE:.0f} s")
            self._woken.clear()
        elif timeout is None:
            raise NothingWillHappen("every task waits and no timer is set")
        else:
            self._virtual += timeout
        return []

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Given], Got], *args: *Given
    ) -> "asyncio.Future[Got]":
        """As usual; the loop does not jump before the answer is there."""
        future = super().run_in_executor(executor, func, *args)
        self._in_threads += 1
        future.add_done_callback(self._answered)
        return future

    async def shutdown_default_executor(self, *args: Any) -> None:
        """As usual: a thread of its own waits for the others."""
        self._in_threads += 1
        try:
            await super().shutdown_default_executor(*args)
        finally:
            self._in_threads -= 1

    def hold(self, tenant: Tenant) -> None:
        """Take what is ready of a tenant out of the queue; more of it is kept apart."""
        for place, handle in enumerate(self._ready):
            context: contextvars.Context = getattr(handle, "_context")  # noqa: B009  (not in its types)
            owner = context.get(_TENANT)
            if owner is tenant and tenant.held is not None:
                tenant.held.append(handle)
                # The loop counted what is ready before it began: the place must stay taken.
                self._ready[place] = asyncio.Handle(_nothing, (), self, context)
        self.call_soon = self._call_soon_or_hold  # type: ignore[method-assign, assignment]

    def let_go(self, handles: Iterable[asyncio.Handle]) -> None:
        """Queue what was kept apart."""
        self._ready.extend(handles)

    def _call_soon_or_hold(
        self,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """In the place of `call_soon` once a tenant was ever frozen: the usual way is hot."""
        if context is None:  # an empty one is a context too, and false
            context = contextvars.copy_context()
        owner = context.get(_TENANT)
        if owner is None or owner.held is None:
            return super().call_soon(callback, *args, context=context)
        handle = asyncio.Handle(callback, args, self, context)
        owner.held.append(handle)
        return handle

    def _answered(self, _: object) -> None:
        self._in_threads -= 1

    def _process_events(self, events: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Another thread has put something into the loop."""
        self._woken.set()


def _nothing() -> None:
    """In the place of what a frozen tenant would have done."""


def _numbered(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **named: Any
) -> "asyncio.Task[Any]":
    task = _NumberedTask(work, loop=loop, **named)
    context: contextvars.Context | None = named.get("context")
    owner = _TENANT.get() if context is None else context.get(_TENANT)
    if owner is not None:
        owner.add(task)
    return task


def run(story: Coroutine[Any, Any, Any]) -> Any:
    """Play a coroutine on a virtual loop of its own; returns what it returns."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(story)


class VirtualClock:
    """The clock port on the loop's time. `skew`: seconds that this wall clock is ahead."""

    def __init__(self, skew: float = 0.0) -> None:
        self.skew = skew
        self._loop = asyncio.get_running_loop()

    def now(self) -> datetime:
        """The wall clock, aware, UTC."""
        return EPOCH + timedelta(seconds=self._loop.time() + self.skew)

    def monotonic(self) -> float:
        """Virtual seconds."""
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        """Return after so many virtual seconds."""
        await asyncio.sleep(max(0.0, seconds))


class SeededChance:
    """The same chance in every run with the same seed. Never for real keys."""

    def __init__(self, seed: int | str) -> None:
        self._seed = seed
        self._random = random.Random(str(seed))  # noqa: S311  (it must repeat)

    def fork(self, name: str) -> "SeededChance":
        """A chance of its own for a part, so that parts don't disturb each other's draws."""
        return SeededChance(f"{self._seed}/{name}")

    def uuid(self) -> str:
        """A lower-case UUID in the form of version 4."""
        return str(uuid.UUID(bytes=self.bytes(16), version=4))

    def token(self, bytes_: int) -> str:
        """So many bytes as URL-safe base64 without padding."""
        return base64.urlsafe_b64encode(self.bytes(bytes_)).rstrip(b"=").decode()

    def random(self) -> float:
        """A number x with 0 <= x < 1."""
        return self._random.random()

    def between(self, low: float, high: float) -> float:
        """A number from low to high."""
        return low + (high - low) * self._random.random()

    def bytes(self, n: int) -> bytes:
        """So many bytes."""
        return self._random.randbytes(n)
