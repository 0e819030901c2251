"""Progress of long parts: a bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

LINE_SECONDS = 10.0


class Step(Protocol):
    """The running part. It may be called from any thread."""

    def total(self, steps: int) -> None:
        """How many steps there will be."""
        ...

    def advance(self, what: str = "", steps: int = 1) -> None:
        """So many more steps are done; `what` is being done now."""
        ...


class Progress(Protocol):
    """Where a preparation tells what it does."""

    def part(self, title: str) -> AbstractContextManager[Step]:
        """A part begins; it ends with the context."""
        ...

    def note(self, text: str) -> None:
        """A line for the user."""
        ...


def on(console: Console) -> Progress:
    """Bars if the console is a terminal, else lines."""
    return Terminal(console) if console.is_terminal else Lines(console)


class Terminal:
    """A bar for each part."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def part(self, title: str) -> Iterator[Step]:
        """Draw a bar until the context ends."""
        columns = (
            TextColumn("{task.description:<28}"),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),
            TextColumn("{task.fields[what]}", style="dim"),
        )
        with Bars(*columns, console=self._console) as bars:
            task = bars.add_task(title, total=None, what="")
            yield _BarStep(bars, task)
            total = bars.tasks[0].total or 1
            bars.update(task, total=total, completed=total, what="done")

    def note(self, text: str) -> None:
        """A line for the user."""
        self._console.print(text, highlight=False, markup=False)


class _BarStep:
    def __init__(self, bars: Bars, task: TaskID) -> None:
        self._bars = bars
        self._task = task

    def total(self, steps: int) -> None:
        self._bars.update(self._task, total=steps)

    def advance(self, what: str = "", steps: int = 1) -> None:
        self._bars.update(self._task, advance=steps, what=what[-60:])


class Lines:
    """A line when a part begins and ends, and one every ten seconds between."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock

    @contextmanager
    def part(self, title: str) -> Iterator[Step]:
        """Write lines until the context ends."""
        begin = self._clock()
        self.note(f"{title} ...")
        yield _LineStep(title, self.note, self._clock)
        self.note(f"{title}: {self._clock() - begin:.0f} s")

    def note(self, text: str) -> None:
        """A line for the user."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


class _LineStep:
    def __init__(self, title: str, note: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._title = title
        self._note = note
        self._clock = clock
        self._last = clock()
        self._done = 0
        self._total = 0

    def total(self, steps: int) -> None:
        self._total = steps

    def advance(self, what: str = "", steps: int = 1) -> None:
        self._done += steps
        if self._clock() - self._last < LINE_SECONDS:
            return
        self._last = self._clock()
        of = f" of {self._total}" if self._total else ""
        self._note(f"{self._title}: {self._done}{of} {what}")
