"""An old database is put back: the platform looks and shows, and acts after a person said so."""

import json
from dataclasses import dataclass, field

from holdfast.model.offering import Cloud
from holdfast.model.resource import Role
from holdfast.providers.sim.strangers import Stranger
from holdfast.simulation.invariants import Expected
from holdfast.simulation.quiet import until_quiet
from holdfast.simulation.scenarios.story import Broken, Scenario, of_role, with_pods
from holdfast.simulation.uplink import Reply, Sent
from holdfast.simulation.world import Simulation

LOOKS = 600.0  # seconds that the platform only observes: behind the cloud's window, many passes
OWN = {"store", "agents"}  # effects that stay at home: records, and answers that say "wait"


async def _restore(world: Simulation) -> Expected:
    """After the backup a worker is healed, a cluster is made and another one deleted."""
    await world.user.connect(Cloud.AWS)
    web = await world.user.create("web")
    short = await world.user.create("short", 1, 1)
    await until_quiet(world)
    with_pods(world, web)
    backup = world.disk.backup()
    world.transcript.note("the database is backed up")
    lost = of_role(world, web, Role.WORKER)[0]
    Stranger(world.clouds, lost.site).delete(lost.thing)
    late = await world.user.create("late", 1, 1)
    await world.user.delete(short)
    await until_quiet(world)

    await world.crash()
    world.disk.put_back(backup)
    world.transcript.note("the backup is put back")
    ears = _Ears()
    world.taps.append(ears.hear)
    before = world.hub.count
    await world.restart()
    await world.clock.sleep(LOOKS)
    await world.crash()
    await world.restart()  # the state outlives a restart
    await world.clock.sleep(LOOKS)
    _nothing_left(world, before, ears)
    await _is_shown(world, {"web", "short"}, late)

    await world.user.delete(short)  # its owner knows that it is gone
    world.transcript.note("the user releases the installation")
    world.taps.remove(ears.hear)
    await world.user.release()
    await until_quiet(world)
    living = len(of_role(world, web, Role.WORKER))
    if living != 2:
        raise Broken("I1", f"{living} workers of web live, 2 are wanted")
    if any(guest.cluster == short for guest in world.guests()):
        raise Broken("I2", "the cluster that was deleted after the backup was made again")
    return Expected(lost=1, orphans=True)


@dataclass(slots=True)
class _Ears:
    """What machines are told that would change them."""

    heard: list[str] = field(default_factory=list)

    def hear(self, message: Sent, reply: Reply) -> None:
        """An agent's exchange with the platform."""
        answer = json.loads(reply.body) if reply.status == 200 and reply.body else {}
        if answer.get("join") or answer.get("orders"):
            self.heard.append(message.machine)


def _nothing_left(world: Simulation, before: int, ears: _Ears) -> None:
    """No effect but records. Raises Broken."""
    outside = [done for done in world.hub.done[before:] if done.effect.port not in OWN]
    if outside:
        raise Broken("I10", f"observe-only, and yet {outside[0].line().strip()}")
    if ears.heard:
        raise Broken("I18", f"observe-only, and yet {ears.heard[0]} was told what to do")


async def _is_shown(world: Simulation, names: set[str], unknown: str) -> None:
    """A person sees what would be done before it is. Raises Broken."""
    shown = await world.user.installation()
    if shown["mode"] != "observeOnly":
        raise Broken("I4", "an old database was put back and the platform acts")
    waiting = {each["name"]: each for each in shown["waiting"]}
    if waiting.keys() != names or any("seenAt" not in each for each in waiting.values()):
        raise Broken("I4", f"{sorted(waiting)} wait for a release, not {sorted(names)}")
    steps = [step["action"] for step in waiting["web"]["steps"]]
    if "MachineAdopted" not in steps or "MachineChosen" in steps:
        raise Broken("I4", f"the healed worker is not taken in: {steps}")
    if not any(step["action"] == "Create" for step in waiting["short"]["steps"]):
        raise Broken("I4", "nothing shows that the deleted cluster would be made again")
    if unknown not in {orphan["clusterId"] for orphan in shown["orphans"]}:
        raise Broken("I4", "things of the cluster that is not recorded are not shown")


RESTORE = (Scenario("restore-old-database", "a backup of the database is put back", _restore),)
