"""Machines that people add, take out and have replaced."""

import asyncio
from collections.abc import Sequence

from holdfast.model.ids import ClusterId
from holdfast.model.resource import Role
from holdfast.simulation.invariants import Expected
from holdfast.simulation.machines import Guest
from holdfast.simulation.quiet import until_quiet
from holdfast.simulation.scenarios.story import Broken, Scenario, created, of_role, with_pods
from holdfast.simulation.world import Simulation

LOOK = 1.0  # virtual seconds between two looks at what must not fall short
KEPT = 3  # pods of `with_pods` that must stay
PATIENCE = 3600.0  # virtual seconds within which a new machine must be chosen


async def _replace_workers(world: Simulation) -> Expected:
    """All workers get new machines: the disruption budget holds, nobody is short of workers."""
    cluster = await created(world, workers=3)
    with_pods(world, cluster)
    await until_quiet(world)
    old = of_role(world, cluster, Role.WORKER)
    await world.user.replace_nodes(cluster, [guest.machine for guest in old])
    await _quiet_with(world, cluster, workers=3)
    _are_gone(old)
    return Expected(is_calm=True, lost=len(old))


async def _replace_control_planes(world: Simulation) -> Expected:
    cluster = await created(world, control_planes=3)
    old = of_role(world, cluster, Role.CONTROL_PLANE)
    await world.user.replace_nodes(cluster, [guest.machine for guest in old])
    await until_quiet(world)
    _are_gone(old)
    _has_members(world, cluster, 3)
    return Expected(lost=len(old))


async def _replace_stopped(world: Simulation) -> Expected:
    """The first new machine never joins: nothing that works is touched, and a person is told."""
    cluster = await created(world)
    old = of_role(world, cluster, Role.WORKER)
    await world.user.replace_nodes(cluster, [guest.machine for guest in old])
    new = await _newcomer(world, cluster, old)
    world.transcript.note(f"{new.resource.hostname} stands still")
    world.machines.freeze(new.machine)
    await until_quiet(world)
    if not all(guest.lives for guest in old) or len(of_role(world, cluster, Role.WORKER)) != 2:
        raise Broken("I19", "a replacement went on after its first failure")
    return Expected(blocked=True, lost=1)


async def _add_machines(world: Simulation) -> Expected:
    """A cluster of one control plane grows to three, and gets a worker more."""
    cluster = await created(world)
    await world.user.add_nodes(cluster, "worker", "small", 1, key="one more")
    await world.user.add_nodes(cluster, "master", "medium", 2, key="three of them")
    await until_quiet(world)
    _has_members(world, cluster, 3)
    if len(of_role(world, cluster, Role.WORKER)) != 3:
        raise Broken("I4", "the added worker is missing")
    return Expected(is_calm=True)


async def _remove_machines(world: Simulation) -> Expected:
    """Five control planes become three, the users' address moves, and a worker goes."""
    cluster = await created(world, control_planes=5, workers=3)
    with_pods(world, cluster)
    await until_quiet(world)
    old = [
        *of_role(world, cluster, Role.CONTROL_PLANE)[:2],
        of_role(world, cluster, Role.WORKER)[0],
    ]
    for guest in old:
        await world.user.remove_node(cluster, guest.machine)
    await _quiet_with(world, cluster, workers=2)
    _are_gone(old)
    _has_members(world, cluster, 3)
    return Expected(lost=len(old))


async def _quiet_with(world: Simulation, cluster: ClusterId, workers: int) -> None:
    """Until it is quiet; meanwhile so many workers are Ready, and the pods that must stay run."""
    quiet = asyncio.ensure_future(until_quiet(world))
    kubernetes = world.kubernetes.cluster(cluster)
    try:
        while not quiet.done():
            kubernetes.settle()
            ready = [
                node.name
                for node in kubernetes.nodes.values()
                if node.role is Role.WORKER and node.ready
            ]
            if len(ready) < workers:
                raise Broken("I19", f"{len(ready)} workers are Ready, {workers} are wanted")
            wanted = sum(d.replicas for d in kubernetes.deployments.values())
            if kubernetes.displaced > wanted - KEPT:
                raise Broken("I19", f"{kubernetes.displaced} of {wanted} pods do not run")
            await world.clock.sleep(LOOK)
    finally:
        quiet.cancel()
    await quiet


async def _newcomer(world: Simulation, cluster: ClusterId, old: Sequence[Guest]) -> Guest:
    """The first worker that runs beside the old ones."""
    until = world.clock.monotonic() + PATIENCE
    while world.clock.monotonic() < until:
        for guest in of_role(world, cluster, Role.WORKER):
            if guest not in old:
                return guest
        await world.clock.sleep(LOOK)
    raise Broken("I12", "no new machine was made")


def _are_gone(old: Sequence[Guest]) -> None:
    left = [guest.resource.hostname for guest in old if guest.runs]
    if left:
        raise Broken("I4", f"{', '.join(left)} should have gone")


def _has_members(world: Simulation, cluster: ClusterId, count: int) -> None:
    members = len(world.kubernetes.cluster(cluster).members)
    if members != count:
        raise Broken("I6", f"etcd has {members} members, {count} are wanted")


CHANGE = (
    Scenario("replace-workers", "all workers get new machines", _replace_workers),
    Scenario("replace-control-planes", "all control planes too", _replace_control_planes),
    Scenario("replace-stopped", "the first new machine never joins", _replace_stopped),
    Scenario("add-machines", "a cluster grows to three control planes", _add_machines),
    Scenario("remove-machines", "five control planes become three", _remove_machines),
)
