"""What happens by itself happens at its own moment, whether anybody looks or not."""

import asyncio

from tests.sim.cloud import INSTALLATION, Sim, play

from holdfast.providers.sim import truth
from holdfast.providers.sim.timeline import Timeline
from holdfast.simulation.time import VirtualClock


def test_a_step_has_its_own_moment_even_when_it_is_settled_later() -> None:
    async def story() -> None:
        clock = VirtualClock()
        timeline = Timeline(clock)
        moments: list[float] = []

        def step() -> None:
            moments.append(timeline.now)
            if len(moments) < 3:
                timeline.after(10, step)

        timeline.after(5, step)
        await clock.sleep(100)
        timeline.settle()
        assert moments == [5.0, 15.0, 25.0]
        assert timeline.now == 100.0
        assert timeline.next_at is None

    play(story)


def test_kept_steps_run_on_time_also_those_that_come_in_between() -> None:
    async def story() -> None:
        clock = VirtualClock()
        timeline = Timeline(clock)
        ran: list[tuple[str, float]] = []
        keeper = asyncio.create_task(timeline.keep())
        await clock.sleep(1)
        timeline.after(50, lambda: ran.append(("late", clock.monotonic())))
        await clock.sleep(1)
        timeline.after(3, lambda: ran.append(("soon", clock.monotonic())))
        await clock.sleep(100)
        assert [(word, round(at)) for word, at in ran] == [("soon", 5), ("late", 51)]
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)

    play(story)


def test_witnesses_are_told_on_time_when_the_timeline_is_kept() -> None:
    async def story() -> None:
        sim = Sim()
        wanted, seen = await sim.build_network()
        keeper = asyncio.create_task(sim.world.timeline.keep())
        await sim.make(wanted[sim.machine(0)], seen)
        await sim.clock.sleep(60)
        (told,) = sim.told.happenings
        assert (told.what, told.thing) == ("running", sim.id_of(sim.machine(0)))
        assert 10 <= (told.at - sim.clock.now()).total_seconds() + 60 <= 41
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)

    play(story)


def test_what_is_gone_is_forgotten_when_nobody_can_be_shown_it_any_more() -> None:
    async def story() -> None:
        sim = Sim()
        await sim.build(sim.wanted())
        await sim.tear_down()
        assert sim.site.shelf.histories
        await sim.clock.sleep(3600 + sim.world.settings.retention + 60)
        sim.world.timeline.settle()
        assert sim.site.shelf.histories == {}
        assert sim.site.shelf.owned[INSTALLATION] == {}
        assert truth.outstanding(sim.world) == 0

    play(story)
