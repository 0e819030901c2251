"""Listings that lag: new things late, gone ones still, old after new; and always the same way."""

from itertools import pairwise

import pytest
from tests.sim.cloud import Sim, play

from holdfast.model.observed import Life
from holdfast.model.offering import Cloud
from holdfast.model.resource import needs
from holdfast.providers import errors
from holdfast.providers.sim.consistency import Consistency
from holdfast.providers.sim.faults import Kind
from holdfast.providers.sim.provider import Care
from holdfast.providers.sim.things import Pace
from holdfast.providers.sim.world import Settings

WINDOW = 300.0


def lagging(**changes: float) -> Settings:
    lag = Consistency(**({"appear": WINDOW, "vanish": WINDOW} | changes))
    return Settings(seed=3, rates=False, consistency={Cloud.AWS: lag})


def test_new_things_of_every_kind_appear_at_their_own_moment_within_the_window() -> None:
    async def story() -> None:
        sim = Sim(settings=lagging())
        first = {n: r for n, r in sim.wanted().items() if not needs(r)}
        for resource in first.values():
            await sim.make(resource, {})
        moments: dict[str, float] = {}
        began = sim.clock.monotonic()
        while len(moments) < len(first) and sim.clock.monotonic() - began < 2 * WINDOW:
            for name in await sim.things():
                moments.setdefault(name, sim.clock.monotonic() - began)
            await sim.clock.sleep(1)
        assert moments.keys() == first.keys()
        assert min(moments.values()) > 0
        assert max(moments.values()) <= WINDOW + 2
        assert len(set(moments.values())) > 1

    play(story)


def test_what_is_gone_is_still_shown_for_a_while_and_then_never_again() -> None:
    async def story() -> None:
        sim = Sim(settings=lagging(appear=0.0))
        seen = await sim.build(sim.wanted())
        route = seen[sim.name("route", "internet")]
        await sim.provider.delete(sim.scope, route)
        assert sim.count("Route") == 0
        assert route.resource.name in await sim.things()
        shown = [True]
        for _ in range(int(WINDOW) + 5):
            await sim.clock.sleep(1)
            shown.append(route.resource.name in await sim.things())
        assert shown == sorted(shown, reverse=True)
        assert not shown[-1]

    play(story)


def test_a_look_before_a_create_sees_no_more_than_a_listing() -> None:
    """The reason for waiting out the window: a repeat inside of it makes a second network."""

    async def story() -> None:
        sim = Sim(settings=lagging())
        network = sim.wanted()[sim.name("network")]
        await sim.make(network, {})
        await sim.make(network, {})
        assert sim.count("Network") == 2
        assert len(sim.world.record.doubled) == 1
        await sim.clock.sleep(WINDOW)
        await sim.make(network, {})
        assert sim.count("Network") == 2

    play(story)


def test_a_taken_place_whose_holder_is_not_shown_yet_is_a_conflict() -> None:
    async def story() -> None:
        sim = Sim()
        wanted, seen = await sim.build_network()
        group = wanted[sim.name("firewall", "worker")]
        rule = wanted[sim.name("rule", "worker", "egress")]
        await sim.provider.delete(sim.scope, seen[rule.name])
        sim.fault(Kind.STALE_AFTER, verb="create", value=60, count=1)
        await sim.make(rule, seen)
        with pytest.raises(errors.Conflict, match="not shown yet"):
            await sim.make(rule, seen)
        await sim.clock.sleep(60)
        await sim.make(rule, seen)
        await sim.make(group, seen)
        assert sim.world.record.doubled == []

    play(story)


def test_readings_can_go_back_in_time_inside_the_window() -> None:
    async def story() -> None:
        lag = lagging(vanish=0.0, flicker=0.5)
        sim = Sim(settings=Settings(seed=lag.seed, rates=False, consistency=lag.consistency))
        network = sim.wanted()[sim.name("network")]
        await sim.make(network, {})
        shown = []
        for _ in range(int(WINDOW) + 60):
            shown.append(network.name in await sim.things())
            await sim.clock.sleep(1)
        assert any(now and not after for now, after in pairwise(shown))
        assert all(shown[-50:])

    play(story)


def test_a_truncated_reader_sees_one_page() -> None:
    async def story() -> None:
        paces = {Cloud.AZURE: Pace(runs=(1.0, 1.0))}
        settings = Settings(seed=1, rates=False, pace=paces)
        whole = Sim(Cloud.AZURE, settings)
        wanted = whole.wanted(workers=60)
        await whole.build(wanted)
        careless = Sim(Cloud.AZURE, settings, care=Care(pages=False))
        careless.world, careless.account, careless.site = whole.world, whole.account, whole.site
        careless.providers = type(careless.providers)(whole.world, None, Care(pages=False))
        careless.clock = whole.clock
        assert len([n for n in await whole.things() if "/machine/" in n]) == 61
        assert len([n for n in await careless.things() if "/machine/" in n]) == 50
        assert await careless.blind() == {}

    play(story)


def test_states_lag_as_things_do() -> None:
    async def story() -> None:
        sim = Sim()
        wanted, seen = await sim.build_network()
        sim.world.settings = lagging(vanish=0.0)
        await sim.make(wanted[sim.machine(0)], seen)
        lives = []
        for _ in range(400):
            found = (await sim.things()).get(sim.machine(0))
            lives.append(found.life if found else None)
            await sim.clock.sleep(1)
        assert lives[0] is None
        assert lives[-1] is Life.PRESENT
        running = next(i for i, life in enumerate(lives) if life is Life.PRESENT)
        assert all(life is Life.PRESENT for life in lives[running:])

    play(story)
