"""The host's limit on inotify instances: a machine takes eight, the usual limit is 128."""

import contextlib
from pathlib import Path

from holdfast_sandbox.machines import sweep

LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
WANTED = 4096
RECORD = "inotify-before"
PER_MACHINE = 8
RESERVE = 20


def enlarge(family: Path, limit: Path = LIMIT) -> str:
    """Raise the limit if it is low; returns a sentence about it, empty if nothing was done.

    The former value is kept in `family`, so that the last sandbox to end can put it back, also
    when the one that raised it was killed.
    """
    now = int(limit.read_text())
    if now >= WANTED:
        return ""
    try:
        limit.write_text(f"{WANTED}\n")
    except OSError:
        return too_low(now, limit)
    (family / RECORD).write_text(f"{now}\n")
    return f"{limit} raised from {now} to {WANTED} until the sandbox ends"


def too_low(now: int, limit: Path = LIMIT) -> str:
    """How many machines fit into a limit that stays as it is."""
    fit = max(0, now - RESERVE) // PER_MACHINE
    return f"{limit} is {now} and cannot be raised: at most {fit} machines"


def restore(family: Path, limit: Path = LIMIT) -> None:
    """Put the former limit back, unless another sandbox of the same store still lives."""
    record = family / RECORD
    if sweep.living(family):
        return
    with contextlib.suppress(FileNotFoundError):
        limit.write_text(record.read_text())
        record.unlink()
