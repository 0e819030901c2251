"""A cluster of 100 machines over four clouds is deleted, in the simulation, on virtual time.

From the moment at which the clouds' own truth has no machine left to the provisional certificate;
and to the confirmed one from the last delete call, beyond the longest consistency window.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from benchmarks import figure
from benchmarks.figure import Figure
from holdfast.model.ids import ClusterId
from holdfast.model.offering import Cloud
from holdfast.simulation.agent import Heartbeats
from holdfast.simulation.invariants import Expected, check
from holdfast.simulation.quiet import until_quiet
from holdfast.simulation.run import logged, virtually
from holdfast.simulation.watch import Watch
from holdfast.simulation.world import Settings, Simulation

PROVISIONAL = 60.0  # virtual seconds after the last machine is gone
CONFIRMED = 60.0  # virtual seconds beyond the consistency window
CONTROL_PLANES, WORKERS = 3, 97
CLOUDS = (Cloud.AWS, Cloud.GCP, Cloud.AZURE, Cloud.DO)
LOOK = 0.5  # virtual seconds between two looks
LIMIT = 7200.0
CERTIFICATE = "SELECT value FROM certificates WHERE cluster = ?"
CALLED = "SELECT delete_calls_at FROM clusters WHERE id = ?"


@dataclass(frozen=True, slots=True)
class Deleted:
    """Virtual moments of a deletion."""

    asked: datetime
    machines_gone: datetime
    provisional: datetime
    last_call: datetime
    confirmed: datetime


def measure(settings: Settings | None = None, workers: int = WORKERS) -> Sequence[Figure]:
    """Plays the deletion. Raises RuntimeError when an invariant does not hold on the way."""
    chosen = settings or Settings(heartbeats=Heartbeats.LIGHT)
    times = virtually(_played(chosen, workers))
    window = max(chosen.rules.windows[cloud] for cloud in CLOUDS).total_seconds()
    waited = (times.provisional - times.machines_gone).total_seconds()
    beyond = (times.confirmed - times.last_call).total_seconds() - window
    whole = (times.provisional - times.asked).total_seconds()
    machines = CONTROL_PLANES + workers
    print(f"{machines} machines gone {_since(times)} virtual s after the request")
    print(f"provisional certificate {whole:.1f} virtual s after the request")
    return [
        Figure("last machine gone to provisional", "virtual s", PROVISIONAL, round(waited, 1)),
        Figure("confirmed beyond the window", "virtual s", CONFIRMED, round(beyond, 1)),
    ]


def _since(times: Deleted) -> str:
    return f"{(times.machines_gone - times.asked).total_seconds():.1f}"


async def _played(settings: Settings, workers: int) -> Deleted:
    async with Simulation.open(settings) as world:
        watch = Watch(world)
        world.hub.watchers.append(watch)
        with logged(world):
            await world.user.connect(*CLOUDS)
            cluster = await world.user.create("big", CONTROL_PLANES, workers, clouds=CLOUDS)
            await until_quiet(world)
            times = await _timed(world, cluster)
            await until_quiet(world)
        wrong = [*watch.breaches, *check(world, Expected())]
        if wrong:
            raise RuntimeError("; ".join(str(breach) for breach in wrong[:3]))
        return times


async def _timed(world: Simulation, cluster: ClusterId) -> Deleted:
    asked = world.clock.now()
    await world.user.delete(cluster)
    seen: dict[str, datetime] = {}
    until = world.clock.monotonic() + LIMIT
    while "confirmed" not in seen:
        if world.clock.monotonic() > until:
            raise TimeoutError(f"no confirmed certificate after {LIMIT:.0f} virtual seconds")
        if all(bill.until is not None for bill in world.clouds.record.bills.values()):
            seen.setdefault("gone", world.clock.now())
        found = world.disk.raw.execute(CERTIFICATE, (cluster,)).fetchone()
        if found is not None:
            certificate = json.loads(found[0])
            at = datetime.fromisoformat(certificate["issued_at"])
            seen.setdefault(certificate["state"], at)
        await world.clock.sleep(LOOK)
    called = datetime.fromisoformat(world.disk.raw.execute(CALLED, (cluster,)).fetchone()[0])
    last_call = called.replace(tzinfo=asked.tzinfo)
    return Deleted(asked, seen["gone"], seen["provisional"], last_call, seen["confirmed"])


if __name__ == "__main__":
    sys.exit(figure.run("delete_clouds", measure, needs_machines=False))
