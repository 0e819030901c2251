"""Observe-only: what tells an old database, what leaves the platform, how it is released."""

import pytest

from holdfast.model.ids import cluster_key
from holdfast.model.offering import Cloud
from holdfast.model.resource import Role
from holdfast.model.wake import Why
from holdfast.providers.sim import truth
from holdfast.providers.sim.strangers import Stranger
from holdfast.simulation.agent import Heartbeats
from holdfast.simulation.invariants import installation
from holdfast.simulation.quiet import until_quiet
from holdfast.simulation.run import logged, virtually
from holdfast.simulation.scenarios.story import created, of_role
from holdfast.simulation.user import Refused
from holdfast.simulation.world import Settings, Simulation

LIGHT = Settings(heartbeats=Heartbeats.LIGHT)


async def _mode(world: Simulation) -> str:
    return str((await world.user.installation())["mode"])


def test_a_restart_alone_is_no_restore() -> None:
    async def story() -> None:
        async with Simulation.open(LIGHT) as world:
            with logged(world):
                await created(world)
                await world.restart()
                assert await _mode(world) == "active"
                with pytest.raises(Refused, match="412"):
                    await world.user.release()

    virtually(story())


def test_a_database_that_moved_without_its_mark_waits() -> None:
    async def story() -> None:
        async with Simulation.open(LIGHT) as world:
            with logged(world):
                await created(world)
                await world.crash()
                world.disk.beside.mark = None
                await world.restart()
                assert await _mode(world) == "observeOnly"
                await world.user.release()
                await world.restart()
                assert await _mode(world) == "active"

    virtually(story())


def test_a_machine_that_no_record_knows_tells_it_too() -> None:
    """The mark was put back with the database: the replacement of a lost worker tells."""

    async def story() -> None:
        async with Simulation.open(LIGHT) as world:
            with logged(world):
                cluster = await created(world)
                backup, mark = world.disk.backup(), world.disk.beside.mark
                lost = of_role(world, cluster, Role.WORKER)[0]
                Stranger(world.clouds, lost.site).delete(lost.thing)
                await until_quiet(world)
                await world.crash()
                world.disk.put_back(backup)
                world.disk.beside.mark = mark
                calls = len(world.clouds.record.calls)
                await world.restart()
                await world.platform.wake([cluster_key(cluster)], Why.USER)
                await world.clock.sleep(120.0)
                assert await _mode(world) == "observeOnly"
                assert "no record of ours" in (await world.user.installation())["reason"]
                assert len(world.clouds.record.calls) == calls
                await world.user.release(cluster)
                await until_quiet(world)
                assert await _mode(world) == "active"
                assert truth.duplicates(world.clouds) == {}
                assert len(world.guests(cluster)) == 3

    virtually(story())


def test_a_cluster_that_is_made_meanwhile_waits_too() -> None:
    async def story() -> None:
        async with Simulation.open(LIGHT) as world:
            with logged(world):
                await created(world)
                await world.crash()
                world.disk.beside.mark = None
                await world.restart()
                late = await world.user.create("late", 1, 1)
                await world.clock.sleep(120.0)
                assert list(truth.ours(world.clouds, installation(world), late)) == []
                (waiting,) = [
                    each
                    for each in (await world.user.installation())["waiting"]
                    if each["id"] == late
                ]
                assert float(waiting["added"]["hourly"]) > 0
                assert world.user.credentials.keys() == {Cloud.AWS}

    virtually(story())
