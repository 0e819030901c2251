"""A measured figure, its goal, and the machine that it was measured on."""

import json
import os
import platform
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from holdfast_sandbox.machines import image, probe

RESULTS = Path(__file__).parent.parent / "build" / "bench"


@dataclass(frozen=True, slots=True)
class Figure:
    """`goal` is the most that is fine. `each` has the single values behind a median."""

    name: str
    unit: str
    goal: float
    measured: float
    each: tuple[float, ...] = ()

    @property
    def met(self) -> bool:
        """Whether the goal is met."""
        return self.measured <= self.goal

    def line(self) -> str:
        """For people."""
        of = f" (of {', '.join(f'{one:g}' for one in self.each)})" if self.each else ""
        word = "met" if self.met else "NOT met"
        return f"{self.name}: {self.measured:g} {self.unit}{of}, goal {self.goal:g}: {word}"


Measure = Callable[[], Sequence[Figure]]


def run(name: str, measure: Measure, *, needs_machines: bool = True) -> int:
    """Measure one claim as a command of its own; 0 also when a goal is missed, 1 if it broke.

    needs_machines  False for a claim that is measured in the simulation
    """
    if needs_machines and (reason := probe.missing(image.default_store())):
        print(f"benchmark {name}: skipped ({reason})")
        return 0
    try:
        figures = record(name, measure)
    except TimeoutError as error:
        print(f"benchmark {name}: {error}", file=sys.stderr)
        return 1
    for figure in figures:
        print(figure.line())
    return 0


def record(name: str, measure: Measure) -> Sequence[Figure]:
    """Say where and what, measure, write build/bench/<name>.json."""
    machine = host()
    print(f"$ {command(name)}")
    print(", ".join(f"{key} {value}" for key, value in machine.items()), flush=True)
    figures = measure()
    machine["load after"] = load()
    RESULTS.mkdir(parents=True, exist_ok=True)
    result = {
        "command": command(name),
        "at": datetime.now(UTC).isoformat(),
        "machine": machine,
        "figures": [{**asdict(figure), "met": figure.met} for figure in figures],
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    return figures


def command(name: str) -> str:
    """What a person types to measure it."""
    return shlex.join(["python", "-m", f"benchmarks.{name}", *sys.argv[1:]])


def host() -> dict[str, str]:
    """The machine: cores, memory, kernel, load."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": str(os.cpu_count()),
        "memory": f"{pages / 2**30:.0f} GiB",
        "kernel": platform.release(),
        "load before": load(),
    }


def load() -> str:
    """Of the last minute: what else ran here blurs every figure."""
    return f"{os.getloadavg()[0]:.1f}"
