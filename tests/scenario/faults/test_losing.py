"""Machines that end, stand still, return, or only seem to: who goes, who stays, and when."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.scenario.faults.told import LIGHT, creates, told

from holdfast.model.resource import Role
from holdfast.providers.sim import spot, truth
from holdfast.providers.sim.strangers import Stranger
from holdfast.providers.sim.world import Settings as CloudSettings
from holdfast.simulation.impostors import Impostor
from holdfast.simulation.invariants import Expected, installation
from holdfast.simulation.machines import Guest
from holdfast.simulation.quiet import until_quiet
from holdfast.simulation.scenarios.story import created, of_role, with_pods
from holdfast.simulation.world import Simulation

REUSED = replace(LIGHT, clouds=CloudSettings(reuse=True))
GHOST = 120.0  # seconds that a Node object may outlive its machine
REFUSALS = "SELECT reason FROM refusals ORDER BY seq"


@pytest.mark.fault("F15", "S")
@told(REUSED)
async def test_name_or_address_reused(world: Simulation) -> Expected:
    """A new machine gets a lost one's address: each is known by its own id, key and nonce."""
    cluster = await created(world)
    lost, other = of_role(world, cluster, Role.WORKER)
    address = _address(lost)
    for guest in (lost, other):  # the first one's successor gets what the control plane gave back
        Stranger(world.clouds, guest.site).delete(guest.thing)
        await until_quiet(world)
    new = max(of_role(world, cluster, Role.WORKER), key=lambda guest: guest.launched_at)
    assert _address(new) == address
    assert new.resource.hostname != lost.resource.hostname
    impostor = Impostor(world)
    claims = {"instanceId": str(new.thing), "privateIp": new.private_ip}
    assert await impostor.contacted(lost, **claims) == 403
    assert await impostor.contacted(new, instanceId=str(lost.thing)) == 403
    nodes = world.kubernetes.cluster(cluster).nodes
    assert lost.resource.hostname not in nodes
    assert nodes[new.resource.hostname].machine == new.machine
    return Expected(is_calm=True, lost=2)


def _address(guest: Guest) -> str | None:
    thing = guest.site.shelf.thing(guest.thing)
    assert thing is not None
    return thing.public_ip


@pytest.mark.fault("F32", "S")
@told()
async def test_ghost_node_after_spot_loss(world: Simulation) -> Expected:
    """A spot machine is taken without a notice: its node goes within two minutes."""
    cluster = await created(world, spot=True)
    lost = of_role(world, cluster, Role.WORKER)[0]
    spot.reclaim(world.clouds, lost.site, lost.thing, silent=True)
    await world.clock.sleep(GHOST)
    assert lost.resource.hostname not in world.kubernetes.cluster(cluster).nodes
    await until_quiet(world)
    return Expected(lost=1)


@pytest.mark.fault("F33", "S")
@told()
async def test_preempted_is_not_deleted(world: Simulation) -> Expected:
    """A machine is stopped, not ended: it is removed with its disk, and its ghost joins nothing."""
    cluster = await created(world, spot=True)
    lost = of_role(world, cluster, Role.WORKER)[0]
    spot.reclaim(world.clouds, lost.site, lost.thing, silent=True, stops=True)
    await until_quiet(world)
    ours = {thing.id for _, thing in truth.ours(world.clouds, installation(world), cluster)}
    assert lost.thing not in ours
    Impostor(world).revive(lost)
    await world.clock.sleep(400.0)
    told_of = [row[0] for row in world.disk.raw.execute(REFUSALS)]
    assert any(reason.startswith("written off") for reason in told_of)
    assert lost.resource.hostname not in world.kubernetes.cluster(cluster).nodes
    lost.runs = False
    await until_quiet(world)
    return Expected(lost=1)


@pytest.mark.fault("F30", "S")
@pytest.mark.fault("F31", "S")
@told()
async def test_spot_storm_and_wrong_deadline(world: Simulation) -> Expected:
    """All notices at once: every replacement is asked for at once, every pod off in its time."""
    cluster = await created(world, workers=5, spot=True)
    with_pods(world, cluster)
    await until_quiet(world)
    site = world.guests(cluster)[0].site
    before, began = len(creates(world)), world.clouds.moment()
    struck = set(spot.storm(world.clouds, site))
    names = {g.resource.hostname for g in world.guests(cluster) if g.thing in struck}
    assert len(struck) == 5
    await world.clock.sleep(20.0)
    asked = creates(world)[before:]
    assert len(asked) == 5
    assert all(call.at - began < timedelta(seconds=20) for call in asked)
    kubernetes = world.kubernetes.cluster(cluster)
    await world.clock.sleep(spot.lead(site.cloud) - 22.0)
    kubernetes.settle()
    assert all(guest.runs for guest in world.guests(cluster) if guest.thing in struck)
    left = [pod.name for pod in kubernetes.pods.values() if pod.node in names]
    assert left == []
    await until_quiet(world)
    return Expected(is_calm=True, lost=5)


@pytest.mark.fault("F35", "S")
@told()
async def test_etcd_quorum_too_many_replaced(world: Simulation) -> Expected:
    """One member stands still and another is lost: none that lives is touched, a person is told."""
    cluster = await created(world, control_planes=3, workers=1)
    frozen, lost, left = of_role(world, cluster, Role.CONTROL_PLANE)
    world.machines.freeze(frozen.machine)
    Stranger(world.clouds, lost.site).delete(lost.thing)
    await world.clock.sleep(3600.0)
    assert left.runs
    assert left.machine in world.kubernetes.cluster(cluster).voters
    assert (await world.user.cluster(cluster))["status"] != "ready"
    if frozen.runs:
        world.machines.thaw(frozen.machine)
    await until_quiet(world)
    assert len(world.kubernetes.cluster(cluster).voters) == 3
    return Expected(lost=2)


@pytest.mark.fault("F36", "S")
@told()
async def test_dead_etcd_member_never_joined(world: Simulation) -> Expected:
    """A control plane dies as a learner: its member goes, and the next one joins."""
    cluster = await created(world, control_planes=3, workers=0)
    lost = of_role(world, cluster, Role.CONTROL_PLANE)[0]
    Stranger(world.clouds, lost.site).delete(lost.thing)
    kubernetes = world.kubernetes.cluster(cluster)

    def learner() -> Guest | None:
        found = [m.machine for m in kubernetes.members.values() if m.is_learner]
        return world.machines.guests[found[0]] if found else None

    while (joining := learner()) is None:
        await world.clock.sleep(0.5)
    Stranger(world.clouds, joining.site).delete(joining.thing)
    await until_quiet(world)
    assert joining.machine not in kubernetes.members
    assert len(kubernetes.voters) == len(kubernetes.members) == 3
    return Expected(lost=2)
