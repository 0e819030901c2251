"""The crash-at-every-effect sweep, in small: the process dies before or after each effect.

An effect is a call that changes the cloud, or a commit. Another process starts on the same store;
the end is the same as without a crash: nothing doubled, nothing left over, every token the same.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from tests.core.planner.build import ONE
from tests.reconciler.fakes import Crash, Effects
from tests.reconciler.platform import Stage, a_stage, is_deleted, is_settled

from holdfast.model.ids import cluster_key
from holdfast.model.observed import Life
from holdfast.model.resource import Role
from holdfast.store.database import Database, Tx

LIMIT = 150
# A run takes most of a second: of the effects of each scenario every second or third is tried.
STRIDES = {
    ("create", "after"): 2,
    ("create", "before"): 3,
    ("heal", "after"): 1,
    ("heal", "before"): 2,
    ("delete", "after"): 3,
    ("delete", "before"): 3,
}
Scenario = Callable[[Stage], Awaitable[bool]]


@dataclass
class Commits:
    """The database, dying before or after a commit; it stands in the store's place of it."""

    database: Database
    effects: Effects
    labels: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Tx]:
        async with self.database.reading() as tx:
            yield tx

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Tx]:
        async with self.database.writing() as tx:
            yield tx
            number = len(self.effects.log)
            self.effects.log.append("commit")
            if number == self.effects.at and self.effects.mode == "before":
                raise Crash("before a commit")
        if number == self.effects.at:
            raise Crash("after a commit")

    async def close(self) -> None:
        await self.database.close()


async def run(scenario: str, at: int, mode: str) -> tuple[Stage, list[str]]:
    """Play one scenario to its end with one crash; returns the effects that were counted."""
    async with a_stage() as stage:
        if scenario != "create":
            await stage.up(1, 2)
        else:
            await stage.create(1, 2)
        if scenario == "heal":
            stage.cloud.kill((await stage.of(Role.WORKER))[0].id)
            await stage.wake()
        if scenario == "delete":
            await stage.delete()
        effects = Effects(at, mode)
        stage.cloud.effects = effects
        commits = Commits(stage.store.database, effects)
        stage.store.database = commits  # type: ignore[assignment]
        await _play(stage, is_deleted if scenario == "delete" else is_settled, commits)
        await _judge(stage, scenario)
        return stage, effects.log


async def _play(stage: Stage, over: Scenario, commits: Commits) -> None:
    for _ in range(LIMIT):
        has_crashed = False
        try:
            await _pass(stage, commits)
        except* Crash:
            has_crashed = True
        if has_crashed:
            stage.store.database = commits.database
            await stage.restart()
            await stage.wake()
        elif await over(stage):
            stage.store.database = commits.database
            return
    raise AssertionError(f"not over: {await stage.cluster()} {await stage.plan()}")


async def _pass(stage: Stage, commits: Commits) -> None:
    """A pass with its effects counted; what the agents do is none of the platform's."""
    counted = stage.store.database
    again = await stage.loop.handle(cluster_key(ONE))
    stage.store.database = commits.database
    moved = await stage.agents()
    stage.store.database = counted
    stage.clock.turn(0.2 if moved else max(0.05, min(again.after.total_seconds(), 5)))


async def _judge(stage: Stage, scenario: str) -> None:
    left = stage.cloud.left()
    names = [s.resource.name for s in left]
    assert len(names) == len(set(names)), "something is there twice"
    if scenario == "delete":
        assert left == []
        return
    machines = await stage.machines()
    wanted = {m.resource for m in machines if m.is_wanted}
    assert {s.resource.name for s in stage.cloud.machines()} == wanted
    assert len(wanted) == 3
    assert all(len(tokens) == 1 for tokens in stage.cloud.tokens.values())
    made = [s for s in stage.cloud.truth.values() if "/machine/" in s.resource.name]
    assert len(made) == (4 if scenario == "heal" else 3)
    assert sum(s.life is Life.GONE for s in made) == (1 if scenario == "heal" else 0)


def effects_of(scenario: str) -> int:
    _, log = asyncio.run(run(scenario, -1, "before"))
    assert log
    return len(log)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", ["before", "after"])
@pytest.mark.parametrize("scenario", ["create", "heal", "delete"])
def test_a_crash_at_any_effect_is_healed(scenario: str, mode: str) -> None:
    for number in range(0, effects_of(scenario), STRIDES[scenario, mode]):
        try:
            asyncio.run(run(scenario, number, mode))
        except AssertionError as wrong:
            raise AssertionError(f"{scenario}, effect {number}, {mode}: {wrong}") from wrong


def test_the_sweep_dies_where_it_is_told_to() -> None:
    """Without a new start the process stays dead: the crash is real."""
    died: list[str] = []

    async def once() -> None:
        async with a_stage() as stage:
            await stage.create(1, 0)
            stage.cloud.effects = Effects(0, "before")
            try:
                await stage.step()
            except* Crash as crash:
                died.extend(str(each) for each in crash.exceptions)
            first = stage.cloud.effects.log[0].removeprefix("create ")
            assert first not in {s.resource.name for s in stage.cloud.truth.values()}

    asyncio.run(once())
    assert died
