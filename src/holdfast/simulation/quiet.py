"""When is a world quiet? Nothing goes on, nothing waits but for people, and two passes do nothing.

A world that does not become quiet ends at a limit of virtual time, with its transcript.
"""

import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.model.ids import ClusterId, cluster_key
from holdfast.model.wake import Why
from holdfast.providers.sim import truth
from holdfast.simulation.effects import Died

if TYPE_CHECKING:
    from holdfast.simulation.world import Simulation

LIMIT = 24 * 3600.0  # virtual seconds
LOOK = 5.0  # virtual seconds between two looks
ROWS = "SELECT id, name, phase, plan, deleted_at, delete_asked_at, reconciled_at FROM clusters"
PENDING = "SELECT key FROM wakes WHERE key LIKE 'cluster:%' AND seen_seq < wake_seq"


class NotConverged(Exception):
    """The world did not become quiet; the text says what still went on, and the transcript."""

    def __init__(self, reasons: list[str], transcript: str) -> None:
        super().__init__("; ".join(reasons[:6]))
        self.reasons = reasons
        self.transcript = transcript


@dataclass(frozen=True, slots=True)
class Row:
    """A cluster as the platform recorded it."""

    id: ClusterId
    name: str
    phase: str
    actions: int
    waits: tuple[str, ...]  # what waits for anything but a person
    blocked: tuple[str, ...]  # what waits for a person
    is_deleted: bool
    is_deleting: bool
    reconciled_at: str


async def until_quiet(world: "Simulation", limit: float = LIMIT) -> None:
    """Go on until nothing does. Raises NotConverged after `limit` virtual seconds."""
    until = world.clock.monotonic() + limit
    reasons = ["it was not looked at"]
    while world.clock.monotonic() < until:
        reasons = list(noise(world))
        if not reasons:
            reasons = [why async for why in _stirred(world)]
            if not reasons:
                return
        await world.clock.sleep(LOOK)
    raise NotConverged(reasons, world.transcript.text(world.disk.raw))


def noise(world: "Simulation") -> Iterator[str]:
    """What still goes on, or may still come to light."""
    yield from motion(world)
    yield from _windows(world)


def motion(world: "Simulation") -> Iterator[str]:
    """What still goes on."""
    process = world.process
    if process is None or not process.is_alive:
        yield "the platform does not run"
        return
    counts = process.engine.counts
    if counts.ready or counts.processing:
        yield f"{counts.ready} keys wait for a pass, {counts.processing} have one"
    for (key,) in world.disk.raw.execute(PENDING):
        yield f"{key} was woken and not seen yet"
    for row in rows(world.disk.raw):
        yield from _of_cluster(row)
    moving = truth.outstanding(world.clouds)
    if moving:
        yield f"{moving} things come or go at the clouds"


def _of_cluster(row: Row) -> Iterator[str]:
    if row.is_deleted:
        return
    if not row.reconciled_at:
        yield f"cluster {row.name} was never reconciled"
    if row.actions:
        yield f"cluster {row.name} has {row.actions} actions in its last pass"
    if row.waits:
        yield f"cluster {row.name} waits: {row.waits[0]}"
    if not row.blocked and row.phase != "ready":
        yield f"cluster {row.name} is {row.phase} and waits for nobody"


def _windows(world: "Simulation") -> Iterator[str]:
    calls = world.clouds.record.calls
    if not calls:
        return
    window = max(world.settings.rules.windows.values())
    age = world.clouds.moment() - calls[-1].at
    if age < window:
        yield f"the last change is {age.total_seconds():.0f} s old, the window is not over"


async def _stirred(world: "Simulation") -> AsyncIterator[str]:
    """One more pass of every cluster: an empty plan, and no changing call."""
    before = {row.id: row.reconciled_at for row in rows(world.disk.raw) if not row.is_deleted}
    calls = len(world.clouds.record.calls)
    try:
        await world.platform.wake([cluster_key(cluster) for cluster in before], Why.USER)
    except (Died, RuntimeError):
        yield "the platform died while it was stirred"
        return
    for _ in range(60):
        await world.clock.sleep(LOOK)
        now = {row.id: row.reconciled_at for row in rows(world.disk.raw)}
        if all(now.get(cluster) != at for cluster, at in before.items()):
            break
    else:
        yield "a cluster was woken and had no pass within five minutes"
    for reason in noise(world):
        yield reason
    if len(world.clouds.record.calls) != calls:
        yield "a further pass changed something at the clouds"


def rows(disk: sqlite3.Connection) -> list[Row]:
    """Every cluster, deleted ones too."""
    found = []
    for id_, name, phase, plan, deleted, asked, reconciled in disk.execute(ROWS):
        shown = json.loads(plan) if plan else {"actions": [], "waiting": []}
        waiting = shown.get("waiting", ())
        words = [(f"{w['subject']}: {w['reason']}", w["onPerson"]) for w in waiting]
        found.append(
            Row(
                id=ClusterId(id_),
                name=name,
                phase=phase,
                actions=len(shown.get("actions", ())),
                waits=tuple(text for text, on_person in words if not on_person),
                blocked=tuple(text for text, on_person in words if on_person),
                is_deleted=deleted is not None,
                is_deleting=asked is not None,
                reconciled_at=str(reconciled or ""),
            )
        )
    return found
