"""The commands `probe` and `sweep`: what this host can do, and what a dead sandbox left on it."""

import sys
from pathlib import Path

from holdfast_sandbox.host import probe as needs
from holdfast_sandbox.machines import image
from holdfast_sandbox.machines import sweep as leftovers


def probe(*, store: Path | None = None) -> int:
    """Say for each need of booted machines whether this host meets it.

    store  where machine image and disks lie (default: $HOLDFAST_STORE, else ~/.cache/holdfast)

    Exit code 0 when machines can boot, 1 when not; simulated machines work everywhere.
    """
    found = needs.probe(store or image.default_store())
    for one in found:
        mark = "yes" if not one.lack else "no " if one.needed else "-  "
        _say(f"{mark}  {one.need}{': ' if one.lack else ''}{one.lack}")
    why_not = needs.reason(found)
    if why_not:
        _say(f"booted machines: skipped ({why_not})")
        return 1
    _say("booted machines: possible")
    return 0


def sweep(*, store: Path | None = None) -> int:
    """Remove what sandboxes that were killed left behind; living ones are never touched.

    store  where machine image and disks lie (default: $HOLDFAST_STORE, else ~/.cache/holdfast)
    """
    swept = leftovers.sweep(store or image.default_store())
    _say(f"swept: {', '.join(swept)}" if swept else "nothing was left behind")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
