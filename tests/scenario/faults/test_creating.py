"""What is made is made once, whatever becomes of the answer, the record and the listings."""

import pytest
from tests.scenario.faults.told import (
    creates,
    machines_made,
    stirred,
    strike,
    told,
)

from holdfast.model.offering import Cloud
from holdfast.model.resource import Role
from holdfast.providers.sim import truth
from holdfast.providers.sim.faults import Fault, Kind
from holdfast.simulation.invariants import Expected, installation
from holdfast.simulation.quiet import until_quiet
from holdfast.simulation.scenarios.story import created, of_role
from holdfast.simulation.user import CLUSTERS, Refused
from holdfast.simulation.world import Simulation

A_MACHINE = "cloud/aws create aws/machine/"


@pytest.mark.fault("F01", "S")
@told()
async def test_crash_between_create_and_record(world: Simulation) -> Expected:
    """The process dies three times right behind the create of a machine."""
    struck = strike(world, A_MACHINE, times=3, dies="after")
    await created(world)
    assert len(struck.struck) == 3
    assert machines_made(world) == 3
    return Expected()


@pytest.mark.fault("F03", "S")
@told()
async def test_user_tag_hides_ownership(world: Simulation) -> Expected:
    """A tag of ours is refused at the door; a user's own tags are there and hide nothing."""
    await world.user.connect(Cloud.AWS)
    nodes = [
        {"cloud": "aws", "role": role, "shape": "medium", "instanceType": ""}
        for role in ("master", "worker")
    ]
    body = {
        "name": "web",
        "region": "eu-central",
        "cloudCredentialsIDs": [world.user.credentials[Cloud.AWS]],
        "nodes": nodes,
    }
    with pytest.raises(Refused, match="holdfast:cluster"):
        await world.user.asked("POST", CLUSTERS, {**body, "tags": {"holdfast:cluster": "mine"}})
    assert world.clouds.record.calls == []
    answer = await world.user.asked("POST", CLUSTERS, {**body, "tags": {"team": "ops"}})
    await until_quiet(world)
    ours = [thing for _, thing in truth.ours(world.clouds, installation(world), answer["id"])]
    machines = [thing for thing in ours if thing.kind == "VirtualMachine"]
    assert len(machines) == 2
    assert all(("team", "ops") in thing.tags for thing in machines)
    return Expected(is_calm=True)


@pytest.mark.fault("F04", "S")
@told()
async def test_not_found_taken_as_gone(world: Simulation) -> Expected:
    """For most of the window no listing shows a worker that lives: nothing is made or removed."""
    cluster = await created(world)
    guest = of_role(world, cluster, Role.WORKER)[0]
    calls = len(world.clouds.record.calls)
    window = world.settings.rules.window(Cloud.AWS)
    now = world.clock.now()
    hidden = Fault(Kind.HIDDEN, subject=guest.thing, since=now, until=now + window * 0.9)
    world.clouds.faults.add(hidden)
    await stirred(world, cluster, window.total_seconds() * 1.2)
    await until_quiet(world)
    assert len(world.clouds.record.calls) == calls
    assert guest.lives
    return Expected()


@pytest.mark.fault("F07", "S")
@told()
async def test_refresh_races_create(world: Simulation) -> Expected:
    """Passes in the seconds after each create of a machine do not see it: it is not judged."""
    unseen = Fault(Kind.STALE_AFTER, value=60.0)
    struck = strike(world, A_MACHINE, times=3, fault=unseen)
    await world.user.connect(Cloud.AWS)
    cluster = await world.user.create("web")
    while len(struck.struck) < 3:
        await world.clock.sleep(0.5)
    await stirred(world, cluster, 60.0, every=2.0)
    await until_quiet(world)
    assert machines_made(world) == 3
    assert len(creates(world)) - len([c for c in creates(world) if c.outcome == "replayed"]) == 3
    return Expected()


@pytest.mark.fault("F08", "S")
@told()
async def test_timeout_then_success(world: Simulation) -> Expected:
    """Every machine's first create times out and takes effect four minutes later."""
    struck = strike(world, A_MACHINE, times=3, fault=Fault(Kind.LATE, value=240.0))
    cluster = await created(world)
    assert len(struck.struck) == 3
    assert machines_made(world) == 3
    assert len(world.guests(cluster)) == 3
    return Expected()


@pytest.mark.fault("F63", "S")
@told()
async def test_operation_handle_lost(world: Simulation) -> Expected:
    """A process dies while a create is late: the next one finds the machine, not the call."""
    late = Fault(Kind.LATE, value=90.0)
    struck = strike(world, A_MACHINE, fault=late)
    await world.user.connect(Cloud.AWS)
    await world.user.create("web", 1, 0)
    while not struck.struck:
        await world.clock.sleep(0.5)
    await world.clock.sleep(5.0)
    world.die()
    await until_quiet(world)
    assert machines_made(world) == 1
    return Expected()
