"""Many clusters in one account: a reading costs what it shows, not what else is there."""

import pytest
from tests.sim.cloud import Sim, play

from holdfast.model.ids import ClusterId
from holdfast.model.observed import Seen
from holdfast.providers.sim import consistency, listing
from holdfast.providers.sim.things import History

CLUSTERS = 60


async def many() -> Sim:
    sim = Sim()
    for number in range(CLUSTERS):
        sim.cluster = ClusterId(f"{number:08d}-2222-4222-8222-222222222222")
        await sim.build(sim.wanted(workers=2))
    return sim


def test_a_clusters_reading_looks_at_its_own_things_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        sim = await many()
        looked: list[History] = []
        plain = consistency.visible

        def counting(history: History, *rest: object) -> object:
            looked.append(history)
            return plain(history, *rest)  # type: ignore[arg-type]

        monkeypatch.setattr(listing, "visible", counting)
        mine = await sim.things()
        assert len(looked) == len(mine)
        looked.clear()
        everything = await sim.provider.observe(sim.scope, None)
        assert len(looked) == len(everything) == CLUSTERS * len(mine)
        assert all(isinstance(one, Seen) for one in everything)

    play(story)


def test_one_reading_of_all_is_one_call_a_listing() -> None:
    async def story() -> None:
        sim = await many()
        before = sim.world.record.reads.copy()
        await sim.provider.observe(sim.scope, None)
        assert set((sim.world.record.reads - before).values()) == {1}

    play(story)
