"""A thousand clusters in one process, in the simulation: made, looked at once, held in memory.

    python -m benchmarks.thousand_clusters [--clusters 1000] [--accounts 10] [--seed 1]

The clouds, the clusters and the agents run in the same process as the platform and are part of
every figure.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import figure
from benchmarks.figure import Figure
from holdfast.model.ids import cluster_key
from holdfast.model.offering import Cloud
from holdfast.model.wake import Why
from holdfast.providers.sim.account import Account
from holdfast.simulation.agent import Heartbeats
from holdfast.simulation.quiet import rows, until_quiet
from holdfast.simulation.run import logged, virtually
from holdfast.simulation.user import CLUSTERS as CLUSTERS_PATH
from holdfast.simulation.world import Settings, Simulation

CLUSTERS, ACCOUNTS, SEED = 1000, 10, 1
MADE, SETTLED, MEMORY, LISTED = 300.0, 60.0, 1000.0, 3.0  # s, s, MB, listings a minute
HOUR, HOURS = 3600.0, 3.0
REST = 120.0  # virtual seconds until the shared listings show what was made last
LOOK = 5.0  # virtual seconds between two looks
LIMIT = 4 * HOUR


def measure(
    clusters: int = CLUSTERS, accounts: int = ACCOUNTS, seed: int = SEED
) -> Sequence[Figure]:
    """Many clusters first, then hours of a single one in a world of its own."""
    many = virtually(_many(clusters, accounts, seed))
    return [*many, virtually(_hours(seed))]


async def _many(clusters: int, accounts: int, seed: int) -> Sequence[Figure]:
    """From nothing to Ready, then one pass of each, then a minute in which nothing happens."""
    names = tuple((Cloud.AWS, f"{number:012}") for number in range(1, accounts + 1))
    settings = Settings(seed=seed, accounts=names, heartbeats=Heartbeats.LIGHT)
    async with Simulation.open(settings) as world:
        with logged(world):
            began, cpu, passes = time.monotonic(), time.process_time(), _passes(world)
            await _ask(world, clusters)
            await _until(world, partial(_are_ready, world, clusters))
            made = time.monotonic() - began
            _tell("made", made, cpu, world, f"{(_passes(world) - passes) / clusters:.1f} passes")
            await _until(world, partial(_is_calm, world))
            await world.clock.sleep(REST)
            settled, listed = await _settled(world)
    return [
        Figure(f"{clusters} clusters of 3 machines to Ready", "s", MADE, round(made, 1)),
        Figure(f"a settled pass of {clusters} clusters", "s", SETTLED, round(settled, 1)),
        Figure("listings of a kind a minute, account and region", "", LISTED, listed),
        Figure(f"resident memory with {clusters} clusters", "MB", MEMORY, round(_resident(), 1)),
    ]


async def _ask(world: Simulation, clusters: int) -> None:
    """All at once, spread over the accounts."""
    keys = [await _key(world, account) for account in world.clouds.accounts.values()]
    for number in range(clusters):
        await world.user.asked("POST", CLUSTERS_PATH, _body(number, keys[number % len(keys)]))


async def _key(world: Simulation, account: Account) -> str:
    """The id of an account's stored key."""
    secret = json.dumps(dict(account.keys[0].secret))
    name = f"account-{account.id}"
    body = {"id": "", "name": name, "cloud": account.cloud.value, "credentials": secret}
    found = await world.user.asked("POST", "/v1/credentials", body)
    return str(found["id"])


def _body(number: int, credentials: str) -> dict[str, Any]:
    shapes = (("master", "medium"), ("worker", "small"), ("worker", "small"))
    return {
        "name": f"cluster-{number}",
        "region": "eu-central",
        "addons": {},
        "network": {"privateWorkerNodes": False},
        "cloudCredentialsIDs": [credentials],
        "nodes": [
            {"cloud": Cloud.AWS.value, "role": role, "shape": shape, "instanceType": ""}
            for role, shape in shapes
        ],
    }


async def _settled(world: Simulation) -> tuple[float, float]:
    """A pass of every cluster, and the most listings of one kind in that minute."""
    before = {row.id: row.reconciled_at for row in rows(world.disk.raw)}
    listed = Counter(world.clouds.record.reads)
    began, cpu, start = time.monotonic(), time.process_time(), world.clock.monotonic()
    await world.platform.wake([cluster_key(cluster) for cluster in before], Why.TICK)

    def ended() -> bool:
        return all(before[row.id] != row.reconciled_at for row in rows(world.disk.raw))

    await _until(world, ended)
    took = time.monotonic() - began
    await world.clock.sleep(max(0.0, 60 - (world.clock.monotonic() - start)))
    minutes = (world.clock.monotonic() - start) / 60
    most = max((Counter(world.clouds.record.reads) - listed).values(), default=0)
    _tell("looked at", took, cpu, world, f"{most} listings of a kind in {minutes:.1f} min")
    return took, round(most / minutes, 2)


async def _hours(seed: int) -> Figure:
    """What an hour of one settled cluster takes."""
    settings = Settings(seed=seed, heartbeats=Heartbeats.LIGHT)
    async with Simulation.open(settings) as world:
        with logged(world):
            await _ask(world, 1)
            await until_quiet(world)
            began, cpu = time.monotonic(), time.process_time()
            await world.clock.sleep(HOURS * HOUR)
            each = (time.monotonic() - began) / HOURS
            _tell(f"{HOURS:.0f} hours of one", each * HOURS, cpu, world, f"{_passes(world)} passes")
    return Figure("an hour of one settled cluster", "s", 1.0, round(each, 2))


async def _until(world: Simulation, holds: Callable[[], bool]) -> None:
    """Look every few virtual seconds. Raises TimeoutError."""
    until = world.clock.monotonic() + LIMIT
    while not holds():
        if world.clock.monotonic() > until:
            raise TimeoutError(f"not within {LIMIT / HOUR:.0f} virtual hours")
        await world.clock.sleep(LOOK)


def _are_ready(world: Simulation, clusters: int) -> bool:
    ready = world.disk.raw.execute("SELECT count(*) FROM clusters WHERE phase = 'ready'")
    return bool(ready.fetchone()[0] == clusters)


def _is_calm(world: Simulation) -> bool:
    counts = world.platform.engine.counts
    return not counts.ready and not counts.processing


def _passes(world: Simulation) -> int:
    """Each pass takes its lease anew."""
    found = world.disk.raw.execute("SELECT sum(epoch) FROM wakes WHERE key LIKE 'cluster:%'")
    return int(found.fetchone()[0] or 0)


def _tell(what: str, wall: float, cpu: float, world: Simulation, more: str) -> None:
    used = time.process_time() - cpu
    virtual = world.clock.monotonic()
    print(f"{what}: {wall:.1f} s wall, {used:.1f} s CPU, at {virtual:.0f} virtual s, {more}")


def _resident() -> float:
    """MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clusters", type=int, default=CLUSTERS)
    parser.add_argument("--accounts", type=int, default=ACCOUNTS)
    parser.add_argument("--seed", type=int, default=SEED)
    return parser.parse_args()


if __name__ == "__main__":
    asked = _asked()
    sys.exit(
        figure.run(
            "thousand_clusters",
            partial(measure, asked.clusters, asked.accounts, asked.seed),
            needs_machines=False,
        )
    )
