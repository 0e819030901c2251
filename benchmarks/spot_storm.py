"""A spot storm in the simulation: 200 of 500 machines get their notice at the same moment.

The platform is the real one, on virtual time. Measured is the work, of the whole simulation, from
the notices until every replacement is chosen and saved with the intent to ask for it. From there
on the account's rate of launches decides: how long the last call waits for it is told in virtual
seconds.
"""

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
from holdfast.simulation.agent import Heartbeats
from holdfast.simulation.machines import Guest
from holdfast.simulation.run import logged, virtually
from holdfast.simulation.world import Settings, Simulation

MACHINES, NOTICES = 500, 200
PODS_PER_MACHINE = 1
ASKED_GOAL = 1.0  # seconds
WITHIN = 900.0  # virtual seconds that the storm may take
CHOSEN = "SELECT count(*) FROM intents WHERE name LIKE '%/machine/%'"


@dataclass(slots=True)
class Storm:
    """What a storm did, seen from outside; a watcher of effects.

    known   intents of machines before the notices
    saved   wall, CPU and virtual seconds since the notices when all replacements were saved
    asked   virtual seconds since the notices, at each call that asks for one
    late    pods that were still on a machine when the cloud took it
    """

    world: Simulation
    cluster: ClusterId
    struck: set[MachineId]
    began: tuple[float, float, float]
    known: int
    saved: tuple[float, ...] = ()
    asked: list[float] = field(default_factory=list)
    ended: set[MachineId] = field(default_factory=set)
    late: list[str] = field(default_factory=list)

    def before(self, number: int, effect: Effect) -> Fault | None:  # noqa: ARG002
        """A replacement is asked for."""
        if effect.verb == "create" and "/machine/" in effect.subject:
            self.asked.append(self.world.clock.monotonic() - self.began[2])
        return None

    def after(self, number: int, effect: Effect, outcome: str) -> None:  # noqa: ARG002
        """A commit may have saved the last intent."""
        if self.saved or "intents" not in effect.subject:
            return
        if _intents(self.world) - self.known >= len(self.struck):
            now = _now(self.world)
            self.saved = tuple(a - b for a, b in zip(now, self.began, strict=True))

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
    return virtually(_storm(machines, notices))


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
    found = Storm(world, cluster, struck, _now(world), _intents(world))
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


def _intents(world: Simulation) -> int:
    return int(world.disk.raw.execute(CHOSEN).fetchone()[0])


def measure() -> Sequence[Figure]:
    """One storm."""
    found = storm(MACHINES, NOTICES)
    last = found.asked[NOTICES - 1]
    print(f"the last replacement was asked for {last:.1f} virtual seconds after the notices")
    wall, cpu, _ = found.saved
    return [
        Figure("200 notices, replacements chosen and saved: CPU", "s", ASKED_GOAL, round(cpu, 2)),
        Figure("200 notices, replacements chosen and saved: wall", "s", ASKED_GOAL, round(wall, 2)),
        Figure("pods on a machine when it was taken", "", 0, len(found.late)),
    ]


if __name__ == "__main__":
    for each in figure.record("spot_storm", measure):
        print(each.line())
    sys.exit(0)
