"""A spot storm in the simulation: 200 of 500 machines get their notice at the same moment.

The platform is the real one, on virtual time. Measured is the work between the first notice and
the last replacement that it asks for: its own time, since virtual waiting costs none.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks import figure
from benchmarks.figure import Figure
from holdfast.kube.sim.objects import Deployment, Requests
from holdfast.model.ids import ClusterId, MachineId
from holdfast.model.offering import Cloud
from holdfast.providers.sim import spot
from holdfast.providers.sim.effects import Effect
from holdfast.providers.sim.faults import Fault
from holdfast.simulation import disk, papers
from holdfast.simulation.agent import Heartbeats
from holdfast.simulation.machines import Guest
from holdfast.simulation.run import logged
from holdfast.simulation.time import VirtualLoop
from holdfast.simulation.world import Settings, Simulation

MACHINES, NOTICES = 500, 200
PODS_PER_MACHINE = 1
ASKED_GOAL = 1.0  # seconds
WITHIN = 900.0  # virtual seconds that the storm may take
EDGES = ("first", "last")


@dataclass(slots=True)
class Storm:
    """What a storm did, seen from outside; a watcher of effects.

    asked  wall, CPU and virtual seconds since the notices, at each replacement that is asked for
    late   pods that were still on a machine when the cloud took it
    """

    world: Simulation
    cluster: ClusterId
    struck: set[MachineId]
    began: tuple[float, float, float]
    asked: list[tuple[float, float, float]] = field(default_factory=list)
    ended: set[MachineId] = field(default_factory=set)
    late: list[str] = field(default_factory=list)

    def before(self, number: int, effect: Effect) -> Fault | None:  # noqa: ARG002
        """A replacement is asked for."""
        if effect.verb == "create" and "/machine/" in effect.subject:
            now = _now(self.world)
            self.asked.append(tuple(a - b for a, b in zip(now, self.began, strict=True)))  # type: ignore[arg-type]
        return None

    def after(self, number: int, effect: Effect, outcome: str) -> None:
        """Outcomes do not count."""

    def reading(self, effect: Effect) -> Fault | None:  # noqa: ARG002
        """Readings do not count."""
        return None

    def heard(self, guest: Guest, what: str) -> None:
        """The cloud takes a machine: its pods should have gone before."""
        if what != "dead" or guest.machine not in self.struck or guest.machine in self.ended:
            return
        self.ended.add(guest.machine)
        pods = self.world.kubernetes.cluster(self.cluster).pods.values()
        name = guest.resource.hostname
        self.late += [p.name for p in pods if p.node == name and p.owner.namespace == "default"]


def storm(machines: int, notices: int) -> Storm:
    """Play it. Raises TimeoutError when not every replacement was asked for."""
    disk.template()
    papers.certificates()
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(_storm(machines, notices))


async def _storm(machines: int, notices: int) -> Storm:
    async with Simulation.open(Settings(heartbeats=Heartbeats.LIGHT)) as world:
        with logged(world):
            await world.user.connect(Cloud.AWS)
            cluster = await world.user.create("storm", 1, machines - 1, spot=True)
            if not await world.user.wait_for(cluster, "ready"):
                raise TimeoutError(f"{machines} machines were not ready within an hour")
            web = Deployment("default", "web", machines * PODS_PER_MACHINE, Requests(200, 128))
            world.kubernetes.cluster(cluster).deploy(web)
            await world.clock.sleep(60.0)
            return await _struck(world, cluster, notices)


async def _struck(world: Simulation, cluster: ClusterId, notices: int) -> Storm:
    site = world.guests(cluster)[0].site
    taken = {thing.id for thing in spot.running(site)[:notices]}
    struck = {guest.machine for guest in world.guests(cluster) if guest.thing in taken}
    found = Storm(world, cluster, struck, _now(world))
    world.hub.watchers.append(found)
    world.machines.listeners.append(found.heard)
    for thing in sorted(taken):
        spot.reclaim(world.clouds, site, thing)
    until = world.clock.monotonic() + WITHIN
    while len(found.asked) < notices or len(found.ended) < notices:
        if world.clock.monotonic() > until:
            told = f"{len(found.asked)} replacements asked for, {len(found.ended)} machines ended"
            raise TimeoutError(f"of {notices} notices: {told}")
        await world.clock.sleep(1.0)
    return found


def _now(world: Simulation) -> tuple[float, float, float]:
    return time.monotonic(), time.process_time(), world.clock.monotonic()


def measure() -> Sequence[Figure]:
    """One storm."""
    found = storm(MACHINES, NOTICES)
    last = found.asked[NOTICES - 1]
    for word, asked in zip(EDGES, (found.asked[0], last), strict=True):
        print(f"{word} replacement {asked[2]:.1f} virtual seconds after the notices")
    return [
        Figure("200 notices, all replacements asked for: CPU", "s", ASKED_GOAL, round(last[1], 2)),
        Figure("200 notices, all replacements asked for: wall", "s", ASKED_GOAL, round(last[0], 2)),
        Figure("pods on a machine when it was taken", "", 0, len(found.late)),
    ]


if __name__ == "__main__":
    for each in figure.record("spot_storm", measure):
        print(each.line())
    sys.exit(0)
