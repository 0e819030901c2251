"""Virtual time: it jumps when nothing is ready, and never while a thread owes an answer."""

import asyncio
import threading
import time as real_time
from pathlib import Path

import pytest

from holdfast.model.ids import EngineKey
from holdfast.model.wake import Why
from holdfast.simulation import time
from holdfast.simulation.time import NothingWillHappen, SeededChance, Tenant, VirtualClock
from holdfast.store.store import open_store
from holdfast.store.vault import Vault


def test_a_day_takes_no_time() -> None:
    async def story() -> tuple[float, float]:
        clock = VirtualClock()
        before = clock.now()
        await clock.sleep(86_400.0)
        return clock.monotonic(), (clock.now() - before).total_seconds()

    began = real_time.monotonic()
    assert time.run(story()) == (86_400.0, 86_400.0)
    assert real_time.monotonic() - began < 5


def test_timeouts_follow_virtual_time() -> None:
    async def story() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(300):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert time.run(story()) == 300.0


def test_no_jump_while_a_thread_works() -> None:
    """The worker ends only when it is told to, by a timer that must not fire before."""

    async def story() -> tuple[str, float]:
        go = threading.Event()

        def work() -> str:
            go.wait(0.05)
            return "done"

        answer = asyncio.create_task(asyncio.to_thread(work))
        timer = asyncio.create_task(asyncio.sleep(3600))
        done, _ = await asyncio.wait({answer, timer}, return_when=asyncio.FIRST_COMPLETED)
        assert done == {answer}
        at = asyncio.get_running_loop().time()
        timer.cancel()
        return answer.result(), at

    assert time.run(story()) == ("done", 0.0)


def test_a_database_with_threads_takes_no_virtual_time(tmp_path: Path) -> None:
    async def story() -> float:
        clock, chance = VirtualClock(), SeededChance(1)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, time.VirtualLoop)
        opened: list[int] = []
        loop.owes.append(lambda: opened[0] if opened else 1)
        url = f"sqlite+aiosqlite:///{tmp_path}/holdfast.db"
        store = await open_store(url, Vault([b"k" * 32], chance), clock, chance)
        loop.owes[:] = [lambda: store.database.open_transactions]
        timer = asyncio.create_task(asyncio.sleep(3600))
        for number in range(20):
            async with store.writing() as tx:
                await store.leases.wake(tx, EngineKey(f"cluster:{number}"), Why.USER)
        at = loop.time()
        timer.cancel()
        loop.owes[:] = [lambda: 1]
        await store.close()
        loop.owes.clear()
        return at

    assert time.run(story()) == 0.0


def test_a_world_without_a_future_says_so() -> None:
    async def story() -> None:
        await asyncio.Event().wait()

    with pytest.raises(NothingWillHappen, match="every task waits"):
        time.run(story())


def test_a_tenant_knows_its_tasks() -> None:
    async def story() -> list[int]:
        mine, other = Tenant("mine"), Tenant("other")

        async def parent() -> None:
            asyncio.create_task(asyncio.sleep(10))  # noqa: RUF006
            await asyncio.sleep(10)

        mine.spawn(parent())
        other.spawn(asyncio.sleep(1))
        await asyncio.sleep(0.1)
        counts = [len(mine.living()), len(other.living())]
        for task in mine.living():
            task.cancel()
        await asyncio.sleep(0.1)
        return [*counts, len(mine.living()), len(other.living())]

    assert time.run(story()) == [2, 1, 0, 1]


def test_chance_repeats_and_parts_have_their_own() -> None:
    one, two = SeededChance(3), SeededChance(3)
    assert [one.uuid(), one.token(8), one.random()] == [two.uuid(), two.token(8), two.random()]
    assert SeededChance(3).fork("a").random() != SeededChance(3).fork("b").random()
    assert SeededChance(3).fork("a").random() == SeededChance(3).fork("a").random()
