"""A deletion leaves nothing of ours and touches nothing of others, whatever gets in its way."""

import pytest
from tests.scenario.faults.told import conditions, told

from holdfast.model.offering import Cloud
from holdfast.model.resource import Role
from holdfast.providers.sim import truth
from holdfast.providers.sim.faults import Fault, Kind
from holdfast.providers.sim.strangers import Stranger
from holdfast.simulation.invariants import Expected, installation
from holdfast.simulation.quiet import until_quiet
from holdfast.simulation.scenarios.story import created, of_role
from holdfast.simulation.user import CLUSTERS, Refused
from holdfast.simulation.world import Simulation

BLOCKED = 1800.0  # seconds within which a deletion says what is in its way


@pytest.mark.fault("F10", "S")
@told()
async def test_orphan_after_scale_down(world: Simulation) -> Expected:
    """A machine that no record knows any more goes with its cluster, by its tag."""
    cluster = await created(world)
    worker = of_role(world, cluster, Role.WORKER)[0]
    world.disk.raw.execute("DELETE FROM things WHERE id = ?", (worker.thing,))
    world.disk.raw.execute("DELETE FROM machines WHERE id = ?", (worker.machine,))
    await world.user.delete(cluster)
    await until_quiet(world)
    assert not worker.runs
    assert list(truth.ours(world.clouds, installation(world), cluster)) == []
    return Expected()


@pytest.mark.fault("F12", "S")
@told()
async def test_delete_blocked_by_dependency(world: Simulation) -> Expected:
    """A stranger's interface holds our subnet: it is named with its owner, and never touched."""
    cluster = await created(world)
    site = world.guests(cluster)[0].site
    here = installation(world)
    (subnet,) = {t.id for _, t in truth.ours(world.clouds, here, cluster) if t.kind == "Subnet"}
    theirs = Stranger(world.clouds, site).interface(subnet)
    digest = truth.foreign_digest(world.clouds, here)
    await world.user.delete(cluster)
    assert await world.user.wait_for(cluster, "failed", BLOCKED)
    shown = await conditions(world, cluster)
    assert theirs in shown
    assert "ops" in shown
    before = len(world.clouds.record.calls)
    await world.clock.sleep(3600.0)
    assert len(world.clouds.record.calls) - before <= 20
    assert truth.foreign_digest(world.clouds, here) == digest
    Stranger(world.clouds, site).delete(theirs)
    await until_quiet(world)
    return Expected()


@pytest.mark.fault("F13", "S")
@told()
async def test_half_the_vms_survive_delete(world: Simulation) -> Expected:
    """Half of the machines are on a page that is lost, without a word, for most of the window."""
    cluster = await created(world, workers=4)
    lost = [guest.thing for guest in world.guests(cluster)][::2]
    now = world.clock.now()
    until = now + world.settings.rules.window(Cloud.AWS) * 0.8
    for machine in lost:
        fault = Fault(Kind.HIDDEN, subject=machine, since=now, until=until)
        world.clouds.faults.add(fault)
    await world.user.delete(cluster)
    await until_quiet(world)
    assert (await world.user.cluster(cluster))["status"] == "deleted"
    assert list(truth.ours(world.clouds, installation(world))) == []
    return Expected()


@pytest.mark.fault("F14", "S")
@told()
async def test_same_name_two_clusters(world: Simulation) -> Expected:
    """A second one is refused; a deletion touches neither a neighbour nor a namesake of others."""
    cluster = await created(world)
    guest = of_role(world, cluster, Role.WORKER)[0]
    neighbour = await world.user.create("web-2", 1, 1)
    await until_quiet(world)
    here = installation(world)
    of_neighbour = {thing.id for _, thing in truth.ours(world.clouds, here, neighbour)}
    ours = {t.kind: t for _, t in truth.ours(world.clouds, here, neighbour)}
    namesake = (("Name", guest.resource.hostname), ("cluster", "web"))
    stranger = Stranger(world.clouds, guest.site, namesake)
    theirs = stranger.machine(ours["Subnet"].id, ours["FirewallGroup"].id)
    body = {
        "name": "WEB",
        "region": "eu-central",
        "cloudCredentialsIDs": [world.user.credentials[Cloud.AWS]],
        "nodes": [{"cloud": "aws", "role": "master", "shape": "medium", "instanceType": ""}],
    }
    with pytest.raises(Refused, match=r"409.*taken"):
        await world.user.asked("POST", CLUSTERS, body)
    await world.user.delete(cluster)
    await until_quiet(world)
    assert {thing.id for _, thing in truth.ours(world.clouds, here)} == of_neighbour
    assert guest.site.shelf.living(theirs) is not None
    return Expected()


@pytest.mark.fault("F40", "S")
@told()
async def test_delete_needs_dead_cluster(world: Simulation) -> Expected:
    """Every machine stands still and the cluster's API is silent: it is deleted all the same."""
    cluster = await created(world)
    world.kubernetes.cluster(cluster).is_away = True
    for guest in world.guests(cluster):
        world.machines.freeze(guest.machine)
    before = world.clock.monotonic()
    await world.user.delete(cluster)
    assert await world.user.wait_for(cluster, "deleted", 900.0)
    assert world.clock.monotonic() - before < 900.0
    await until_quiet(world)
    return Expected()
