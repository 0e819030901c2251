"""Call-backs meet the platform's own code: real documents, real signatures, real refusals."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from holdfast.model.ids import ClusterId
from holdfast.model.offering import Cloud
from holdfast.model.resource import Role
from holdfast.providers.sim import machines as lives
from holdfast.providers.sim.strangers import Stranger
from holdfast.simulation.agent import Heartbeats
from holdfast.simulation.impostors import Impostor
from holdfast.simulation.machines import Guest
from holdfast.simulation.quiet import until_quiet
from holdfast.simulation.run import logged, virtually
from holdfast.simulation.world import Settings, Simulation

LIGHT = Settings(heartbeats=Heartbeats.LIGHT)
REFUSALS = "SELECT reason FROM refusals ORDER BY seq"
FACT = "SELECT registered_at, joined_at, written_off_at FROM machines WHERE id = ?"

Story = Callable[[Simulation, ClusterId], Coroutine[Any, Any, None]]


def story(told: Story) -> Callable[[], None]:
    """A world with a quiet cluster of one control plane and two workers."""

    def test() -> None:
        async def whole() -> None:
            async with Simulation.open(LIGHT) as world:
                with logged(world):
                    await world.user.connect(Cloud.AWS)
                    cluster = await world.user.create("web")
                    await until_quiet(world)
                    await told(world, cluster)

        virtually(whole())

    test.__name__, test.__doc__ = told.__name__, told.__doc__
    return test


def _worker(world: Simulation, cluster: ClusterId) -> Guest:
    return next(g for g in world.guests(cluster) if g.resource.role is Role.WORKER)


def _refusals(world: Simulation) -> list[str]:
    return [row[0] for row in world.disk.raw.execute(REFUSALS)]


@pytest.mark.fault("F56", "S")
@story
async def test_a_forged_call_back_has_no_effect(world: Simulation, cluster: ClusterId) -> None:
    guest = _worker(world, cluster)
    impostor = Impostor(world)
    before = len(world.clouds.record.calls)
    answer = await impostor.forged(guest, "spot-notice", action="terminate", time="")
    assert answer == 403
    assert _refusals(world) == ["not signed by this machine's key"]
    await until_quiet(world)
    assert len(world.clouds.record.calls) == before


@pytest.mark.fault("F57", "S")
@story
async def test_a_replayed_call_back_is_refused(world: Simulation, cluster: ClusterId) -> None:
    impostor = Impostor(world)
    impostor.listen()
    await world.clock.sleep(700)
    old, last = impostor.heard[0], impostor.heard[-1]
    assert await impostor.replayed(old) == 403
    assert _refusals(world)[-1].startswith("replayed: counter")
    # The last one's answer may have been lost: it gets the same answer again.
    assert await impostor.replayed(last) == 200
    other = next(g for g in world.guests(cluster) if g.machine != last.machine)
    assert await impostor.replayed(last, machine=other.machine) == 403


@pytest.mark.fault("F57", "S")
@story
async def test_a_stolen_nonce_binds_no_second_key(world: Simulation, cluster: ClusterId) -> None:
    guest = _worker(world, cluster)
    assert await Impostor(world).contacted(guest) == 403
    assert _refusals(world) == ["second first contact: a key is bound already"]


@pytest.mark.fault("F56", "S")
def test_a_document_of_another_account_is_refused() -> None:
    """Before the genuine machine calls, with its own nonce; the genuine one still joins."""

    async def whole() -> None:
        async with Simulation.open(LIGHT) as world:
            impostor = Impostor(world)
            tried: list[Guest] = []
            world.machines.listeners.append(lambda guest, _: tried.append(guest))
            await world.user.connect(Cloud.AWS)
            cluster = await world.user.create("web")
            while not tried:
                await world.clock.sleep(0.5)
            genuine = tried[0]
            assert await impostor.contacted(genuine, accountId="999999999999") == 403
            assert await impostor.contacted(genuine, instanceId="i-other") == 403
            assert await impostor.contacted(genuine, nonce="0" * 64) == 403
            told = _refusals(world)
            assert told[0].startswith("account of the document is 999999999999")
            assert told[1].startswith("instance of the document is i-other")
            assert told[2] == "wrong nonce"
            await until_quiet(world)
            assert (await world.user.cluster(cluster))["status"] == "ready"

    virtually(whole())


@pytest.mark.fault("F16", "S")
@story
async def test_back_from_the_dead(world: Simulation, cluster: ClusterId) -> None:
    """A machine that was written off returns with its old key: refused, and joins nothing."""
    guest = _worker(world, cluster)
    Stranger(world.clouds, guest.site).delete(guest.thing)
    await until_quiet(world)
    kubernetes = world.kubernetes.cluster(cluster)
    assert guest.resource.hostname not in kubernetes.nodes
    Impostor(world).revive(guest)
    await world.clock.sleep(400)
    assert any(reason.startswith("written off") for reason in _refusals(world))
    assert guest.resource.hostname not in kubernetes.nodes


@story
async def test_a_cut_off_machine_is_not_replaced_at_once(
    world: Simulation, cluster: ClusterId
) -> None:
    """Silent for two minutes is not dead: it comes back and nothing was made."""
    guest = _worker(world, cluster)
    before = len(world.clouds.record.calls)
    world.machines.cut_off(guest.machine)
    await world.clock.sleep(120)
    assert (await world.user.cluster(cluster))["status"] == "warning"
    world.machines.join_up(guest.machine)
    await until_quiet(world)
    assert (await world.user.cluster(cluster))["status"] == "ready"
    assert len(world.clouds.record.calls) == before


@story
async def test_a_rebooted_machine_goes_on(world: Simulation, cluster: ClusterId) -> None:
    guest = _worker(world, cluster)
    Stranger(world.clouds, guest.site).stop(guest.thing)
    assert guest.runs is False
    lives.start(world.clouds, guest.site, guest.thing)
    assert guest.runs
    assert guest.boots == 2
    await until_quiet(world)
    fact = world.disk.raw.execute(FACT, (guest.machine,)).fetchone()
    assert fact is not None
    assert fact[1] is not None


@story
async def test_an_api_server_that_is_away_harms_nothing(
    world: Simulation, cluster: ClusterId
) -> None:
    """While the cluster's API hangs nothing is replaced, and all is well when it is back."""
    kubernetes = world.kubernetes.cluster(cluster)
    before = len(world.clouds.record.calls)
    kubernetes.is_away = True
    await world.user.asked("POST", f"/v1/kubernetes/clusters/{cluster}/trigger-reconcile")
    await world.clock.sleep(900)
    assert (await world.user.cluster(cluster))["status"] == "warning"
    kubernetes.is_away = False
    await until_quiet(world)
    assert len(world.clouds.record.calls) == before
