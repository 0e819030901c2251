"""The commands `probe` and `sweep`: what this host can do, and what a dead sandbox left on it."""

import sys
from pathlib import Path

from holdfast_sandbox.machines import image
from holdfast_sandbox.machines import probe as needs
from holdfast_sandbox.machines import sweep as leftovers


def probe(*, store: Path | None = None) -> int:
    """Say for each need of booted machines whether this host meets it.

    store  where machine image and disks lie (default: $HOLDFAST_STORE, else ~/.cache/holdfast)

    Exit code 0 when machines can boot, 1 when not; simulated machines work everywhere.
    """
    rows = needs.probe(store or image.default_store())
    for row in rows:
        mark = "yes" if row.ok else "-  " if row.optional else "no "
        _say(f"{mark}  {row.name}{'' if row.ok else ': '}{row.sentence}")
    return 0 if all(row.ok or row.optional for row in rows) else 1


def sweep(*, store: Path | None = None) -> int:
    """Remove what sandboxes that were killed left behind; living ones are never touched.

    store  where machine image and disks lie (default: $HOLDFAST_STORE, else ~/.cache/holdfast)
    """
    swept = leftovers.sweep(store or image.default_store())
    _say(f"swept: {', '.join(swept)}" if swept else "nothing was left behind")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
