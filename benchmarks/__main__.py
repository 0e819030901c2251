"""`python -m benchmarks`: all of them, one after the other, and a table at the end."""

import sys
from types import ModuleType

from rich.console import Console
from rich.table import Table

from benchmarks import (
    control_plane,
    create,
    delete,
    delete_clouds,
    demo_start,
    disk,
    figure,
    heal,
    idle,
    spot_storm,
    thousand_clusters,
)
from benchmarks.figure import Figure
from holdfast_sandbox.machines import image, probe

ALL: dict[str, ModuleType] = {
    "create": create,
    "heal": heal,
    "control_plane": control_plane,
    "delete": delete,
    "idle": idle,
    "disk": disk,
    "demo_start": demo_start,
    "thousand_clusters": thousand_clusters,
    "spot_storm": spot_storm,
    "delete_clouds": delete_clouds,
}


def main() -> int:
    """Measure all; 1 if one of them broke. A goal that is missed is shown, not hidden."""
    if reason := probe.missing(image.default_store()):
        print(f"benchmarks: skipped ({reason})")
        return 0
    figures: list[Figure] = []
    broken = []
    for name, module in ALL.items():
        try:
            figures += figure.record(name, module.measure)
        except (TimeoutError, OSError) as error:
            broken.append(name)
            print(f"benchmark {name}: {error}", file=sys.stderr)
    _show(figures)
    return 1 if broken else 0


def _show(figures: list[Figure]) -> None:
    table = Table("figure", "goal", "measured", "")
    for one in figures:
        mark = "[green]met[/green]" if one.met else "[red]not met[/red]"
        table.add_row(one.name, f"{one.goal:g} {one.unit}", f"{one.measured:g} {one.unit}", mark)
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
