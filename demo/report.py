"""The demo's report: seconds of each step, counts, and whether every claim held."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console


class ClaimFailed(Exception):
    """Something that the demo says did not hold."""


@dataclass(slots=True)
class Report:
    """Collects numbers while the story is told, and tells it."""

    console: Console
    seconds: dict[str, float] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)

    @contextmanager
    def step(self, name: str, title: str) -> Iterator[None]:
        """One step: its title first, its seconds at the end."""
        self.console.print(f"\n[bold]{title}[/bold]")
        began = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - began, 2)
        self.console.print(f"  [green]done[/green] in {self.seconds[name]:.1f} s")

    def say(self, text: str) -> None:
        """A line of the story."""
        self.console.print(f"  {text}", highlight=False, soft_wrap=True)

    def event(self, text: str, *, error: bool) -> None:
        """An event of the platform, as it comes."""
        stamp = f"[dim]{time.monotonic() - self._began:6.1f} s[/dim]"
        mark = "[red]![/red]" if error else " "
        self.console.print(f"  {stamp} {mark} ", end="")
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def claim(self, text: str, holds: bool) -> None:  # noqa: FBT001  (the claim itself)
        """What must be true. Raises ClaimFailed."""
        mark = "[green]✓[/green]" if holds else "[red]✗[/red]"
        self.console.print(f"  {mark} {text}", highlight=False, soft_wrap=True)
        if not holds:
            raise ClaimFailed(text)

    def write(self, path: Path, *, ok: bool) -> None:
        """The report as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        report = {
            "ok": ok,
            "seconds": {**self.seconds, "total": round(time.monotonic() - self._began, 2)},
            **self.numbers,
        }
        path.write_text(json.dumps(report, indent=2) + "\n")
