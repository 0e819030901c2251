"""What an account cannot give: rates, capacity, quotas, addresses; and keys that do not fit."""

import json
from datetime import timedelta

import pytest
from tests.scenario.faults.told import (
    conditions,
    creates,
    machines_made,
    told,
)

from holdfast.model.offering import Cloud
from holdfast.model.resource import Role
from holdfast.providers.sim.faults import Fault, Kind
from holdfast.providers.sim.strangers import Stranger
from holdfast.simulation.invariants import Expected
from holdfast.simulation.quiet import until_quiet
from holdfast.simulation.scenarios.story import created, of_role
from holdfast.simulation.user import Refused
from holdfast.simulation.world import Simulation

ON_DEMAND, SPOT = "L-1216C47A", "L-34B43A08"


@pytest.mark.fault("F21", "S")
@told()
async def test_throttling_is_account_wide(world: Simulation) -> Expected:
    """Eight clusters of one account at once: the cloud refuses no call, and nobody starves."""
    await world.user.connect(Cloud.AWS)
    made = [await world.user.create(f"web-{number}", 1, 1) for number in range(8)]
    took: dict[str, float] = {}
    while len(took) < len(made):
        await world.clock.sleep(5.0)
        for cluster in made:
            if cluster not in took and (await world.user.cluster(cluster))["status"] == "ready":
                took[cluster] = world.clock.monotonic()
    assert sum(world.clouds.record.refused.values()) == 0
    assert max(took.values()) <= 3 * min(took.values())
    await until_quiet(world)
    return Expected(is_calm=True)


@pytest.mark.fault("F22", "S")
@told()
async def test_insufficient_capacity(world: Simulation) -> Expected:
    """A lost worker's type is sold out in its zone: another is taken in the next decision."""
    cluster = await created(world)
    lost = of_role(world, cluster, Role.WORKER)[0]
    key = lost.resource.offering
    drought = Fault(Kind.CAPACITY, zone=key.zone, type=key.instance_type)
    world.clouds.faults.add(drought)
    calls = len(creates(world))
    Stranger(world.clouds, lost.site).delete(lost.thing)
    await until_quiet(world)
    new = max(of_role(world, cluster, Role.WORKER), key=lambda guest: guest.launched_at)
    found = new.resource.offering
    assert (found.zone, found.instance_type) != (key.zone, key.instance_type)
    assert [call.outcome for call in creates(world)[calls:]] == ["CapacityUnavailable", "ok"]
    return Expected(lost=1)


@pytest.mark.fault("F25", "S")
@told()
async def test_address_exhaustion(world: Simulation) -> Expected:
    """No subnet of a zone has an address left: the machine is made in another zone's."""
    cluster = await created(world)
    lost = of_role(world, cluster, Role.WORKER)[0]
    zone = lost.resource.offering.zone
    full = Fault(
        Kind.ERROR,
        verb="create",
        thing="VirtualMachine",
        zone=zone,
        error="CapacityUnavailable",
        code="InsufficientFreeAddressesInSubnet",
    )
    world.clouds.faults.add(full)
    calls = len(creates(world))
    Stranger(world.clouds, lost.site).delete(lost.thing)
    await until_quiet(world)
    new = max(of_role(world, cluster, Role.WORKER), key=lambda guest: guest.launched_at)
    assert new.resource.offering.zone != zone
    assert len(creates(world)) - calls <= 8
    return Expected(lost=1)


@pytest.mark.fault("F23", "S")
@told()
async def test_spot_quota(world: Simulation) -> Expected:
    """Spot has its own quota: it is named before anything is made; on-demand is not hindered."""
    account = next(iter(world.clouds.accounts.values()))
    account.limits[SPOT] = 1
    await world.user.connect(Cloud.AWS)
    with pytest.raises(Refused, match=SPOT):
        await world.user.create("web", 1, 2, spot=True)
    assert world.clouds.record.calls == []
    await world.user.create("web", 1, 2)
    await until_quiet(world)
    return Expected(is_calm=True)


@pytest.mark.fault("F43", "S")
@told()
async def test_clock_skew(world: Simulation) -> Expected:
    """The cloud's clock is half an hour ahead for a while: the clock is named, not the key."""
    cluster = await created(world)
    lost = of_role(world, cluster, Role.WORKER)[0]
    now = world.clock.now()
    skew = Fault(Kind.CLOCK, value=1800.0, since=now, until=now + timedelta(minutes=20))
    world.clouds.faults.add(skew)
    Stranger(world.clouds, lost.site).delete(lost.thing)
    await world.clock.sleep(10 * 60.0)
    assert "clock is 1800 s behind" in await conditions(world, cluster)
    await until_quiet(world)
    return Expected(lost=1)


@pytest.mark.fault("F58", "S")
@told()
async def test_credential_of_another_account(world: Simulation) -> Expected:
    """A key that sees an empty account is refused by name; nothing is made or given up."""
    cluster = await created(world)
    other = world.clouds.add_account(Cloud.AWS, "222222222222")
    calls = len(world.clouds.record.calls)
    path = f"/v1/credentials/{world.user.credentials[Cloud.AWS]}/secret"
    body = {"credentials": json.dumps(dict(other.keys[0].secret))}
    with pytest.raises(Refused, match=r"222222222222.*111111111111|111111111111.*222222222222"):
        await world.user.asked("PUT", path, body)
    await world.clock.sleep(1800.0)
    assert (await world.user.cluster(cluster))["status"] == "ready"
    await until_quiet(world)
    assert len(world.clouds.record.calls) == calls
    return Expected(is_calm=True)


@pytest.mark.fault("F59", "S")
@told()
async def test_credential_rotated_mid_operation(world: Simulation) -> Expected:
    """The key is replaced between two creates and the old one dies at once: no step twice."""
    account = next(iter(world.clouds.accounts.values()))
    await world.user.connect(Cloud.AWS)
    await world.user.create("web")
    while len(world.clouds.record.calls) < 8:
        await world.clock.sleep(0.2)
    old = account.keys[0]
    await world.user.replace_key(Cloud.AWS, dict(account.new_key().secret))
    old.is_valid = False
    await until_quiet(world)
    made = [call.subject for call in creates(world, "") if call.outcome == "ok"]
    assert sorted(made) == sorted(set(made))
    assert machines_made(world) == 3
    return Expected()


@pytest.mark.fault("F60", "S")
@told()
async def test_partial_region_outage(world: Simulation) -> Expected:
    """A zone takes no orders, machines cannot be listed, for half an hour; a worker is lost."""
    cluster = await created(world, control_planes=3)
    lost = of_role(world, cluster, Role.WORKER)[0]
    now = world.clock.now()
    until = now + timedelta(minutes=30)
    zone = lost.resource.offering.zone
    for fault in (
        Fault(Kind.OUTAGE, verb="create", zone=zone, since=now, until=until),
        Fault(Kind.OUTAGE, verb="observe", thing="VirtualMachine", since=now, until=until),
    ):
        world.clouds.faults.add(fault)
    calls = len(world.clouds.record.calls)
    Stranger(world.clouds, lost.site).delete(lost.thing)
    await world.clock.sleep(29 * 60.0)
    changes = [c for c in world.clouds.record.calls[calls:] if c.caller == "platform"]
    assert changes == []
    await until_quiet(world)
    return Expected(lost=1)
