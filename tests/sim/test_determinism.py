"""One seed, one run: byte-identical records; no wall clock, no socket, no chance from elsewhere."""

import ast
import asyncio
import random
import secrets
import socket
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from tests.sim.cloud import CLOUDS, Sim, play

from holdfast.model.ids import ClusterId
from holdfast.model.observed import Life
from holdfast.model.offering import Cloud
from holdfast.model.resource import needs
from holdfast.providers import errors, sim
from holdfast.providers.sim import spot, truth
from holdfast.providers.sim.consistency import Consistency
from holdfast.providers.sim.effects import Effect, Quiet
from holdfast.providers.sim.faults import Fault, Kind
from holdfast.providers.sim.world import Settings

FORBIDDEN = {"random", "secrets", "time", "socket", "threading", "uuid", "os", "concurrent"}


class Seer(Quiet):
    """Remembers what passed, and does what a test says at one effect."""

    def __init__(self) -> None:
        self.labels: list[str] = []
        self.outcomes: list[str] = []
        self.readings = 0
        self.fault: tuple[str, Fault] | None = None
        self.dies_before = self.dies_after = ""

    def before(self, effect: Effect) -> Fault | None:
        self.labels.append(effect.label)
        if self.dies_before and self.dies_before in effect.label:
            raise Crash(effect.label)
        if self.fault is not None and self.fault[0] in effect.label:
            return self.fault[1]
        return None

    def after(self, effect: Effect, outcome: str) -> None:
        self.outcomes.append(outcome)
        if self.dies_after and self.dies_after in effect.label:
            raise Crash(effect.label)

    def reading(self, effect: Effect) -> Fault | None:
        self.readings += 1
        return None


class Crash(BaseException):
    """The process ends here."""


def a_busy_world(seed: int) -> tuple[str, str, list[str]]:
    """Four clouds at once, lag, faults, a storm; returns record, truth and effects as text."""
    found: list[tuple[str, str, list[str]]] = []

    async def story() -> None:
        seer = Seer()
        lag = Consistency(20.0, 20.0, 0.1)
        settings = Settings(seed=seed, consistency=dict.fromkeys(CLOUDS, lag))
        worlds = [Sim(cloud, settings, effects=seer, limits=True) for cloud in CLOUDS]
        for one in worlds:
            one.fault(Kind.LOST_RESPONSE, thing="FirewallRule", count=2)
            one.fault(Kind.LATE, thing="MachineRole", value=15, count=1)
        await asyncio.gather(*(_lives(one) for one in worlds))
        text = "\n".join(one.world.record.text() for one in worlds)
        dumps = "\n".join(str(truth.dump(one.world)) for one in worlds)
        found.append((text, dumps, seer.labels))

    play(story)
    return found[0]


async def _lives(one: Sim) -> None:
    wanted = one.wanted(workers=3, spot=one.cloud is not Cloud.DO)
    for _ in range(12):
        seen = await one.things()
        present = {n for n, s in seen.items() if s.life is Life.PRESENT}
        todo = [r for r in wanted.values() if r.name not in seen]
        ready = [r for r in todo if needs(r) <= present]
        await asyncio.gather(*(one.make(r, seen) for r in ready), return_exceptions=True)
        await one.clock.sleep(30)
    if one.cloud is not Cloud.DO:
        spot.storm(one.world, one.site, 0.6)
    await one.clock.sleep(200)


def test_two_runs_with_one_seed_give_byte_identical_records() -> None:
    first, again, other = a_busy_world(5), a_busy_world(5), a_busy_world(6)
    assert first[0].encode() == again[0].encode()
    assert first[1:] == again[1:]
    assert len(first[0].splitlines()) > 90
    assert first[0] != other[0]


def test_a_run_touches_neither_wall_clock_nor_socket_nor_thread_nor_foreign_chance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> Any:
        raise AssertionError("a simulated cloud asked the real world")

    for module, name in (
        (time, "time"),
        (time, "monotonic"),
        (time, "sleep"),
        (random, "random"),
        (random, "getrandbits"),
        (secrets, "token_bytes"),
        (uuid, "uuid4"),
        (socket, "socket"),
    ):
        monkeypatch.setattr(module, name, refuse)
    threads = threading.active_count()
    record, _, effects = a_busy_world(5)
    assert record
    assert effects
    assert threading.active_count() == threads


def test_no_file_of_the_simulated_cloud_knows_a_door_to_the_real_world() -> None:
    folder = Path(sim.__file__).parent
    for path in sorted(folder.glob("*.py")):
        tree = ast.parse(path.read_text())
        imported = {
            (alias.name if isinstance(node, ast.Import) else str(node.module)).split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        assert imported & FORBIDDEN == set(), path.name


def test_effects_are_told_in_order_with_their_outcomes_and_reads_are_not_effects() -> None:
    async def story() -> None:
        seer = Seer()
        one = Sim(effects=seer)
        wanted, seen = await one.build_network()
        assert len(seer.labels) == len(seen)
        assert set(seer.outcomes) == {"ok"}
        assert seer.readings > 0
        assert seer.labels[0].startswith("cloud/aws create aws/")
        one.fault(Kind.SOLD_OUT)
        with pytest.raises(errors.CapacityUnavailable):
            await one.make(wanted[one.machine(0)], seen)
        assert seer.outcomes[-1] == "CapacityUnavailable"
        one.world.faults.clear()
        for kind, outcome in ((Kind.LOST_REQUEST, "lost"), (Kind.LATE, "late")):
            one.fault(kind, verb="create", value=1, count=1)
            with pytest.raises(errors.OutcomeUnknown):
                await one.make(wanted[one.machine(0)], seen)
            assert seer.outcomes[-1] == outcome
        assert len(seer.outcomes) == len(seer.labels)

    play(story)


@pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1)])
def test_a_process_can_end_before_an_effect_and_after_it_unseen(when: str, made: int) -> None:
    async def story() -> None:
        seer = Seer()
        one = Sim(effects=seer)
        wanted, seen = await one.build_network()
        setattr(seer, f"dies_{when}", f"create {one.machine(0)}")
        try:
            await one.make(wanted[one.machine(0)], seen)
        except Crash:
            pass
        else:
            raise AssertionError("it lived on")
        assert one.count("VirtualMachine") == made
        setattr(seer, f"dies_{when}", "")
        await one.make(wanted[one.machine(0)], seen)
        assert one.count("VirtualMachine") == 1
        assert one.world.record.doubled == []

    play(story)


def test_who_watches_can_hand_in_a_fault_for_one_call() -> None:
    async def story() -> None:
        seer = Seer()
        one = Sim(effects=seer)
        wanted, seen = await one.build_network()
        seer.fault = (f"create {one.machine(0)}", Fault(Kind.LOST_RESPONSE))
        with pytest.raises(errors.OutcomeUnknown):
            await one.make(wanted[one.machine(0)], seen)
        seer.fault = (f"create {one.machine(1)}", Fault(Kind.STALE_AFTER, value=30))
        await one.make(wanted[one.machine(1)], seen)
        assert one.machine(0) in await one.things()
        assert one.machine(1) not in await one.things()

    play(story)


def test_who_ends_in_the_middle_of_a_call_leaves_it_whole_or_undone() -> None:
    async def story() -> None:
        one = Sim(settings=Settings(seed=1, rates=False, latency=2.0))
        wanted, seen = await one.build_network()
        for wait, made in ((0.1, 0), (1.9, 1)):
            task = asyncio.create_task(one.make(wanted[one.machine(0)], seen))
            await one.clock.sleep(wait)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert one.count("VirtualMachine") == made

    play(story)


def test_draws_depend_on_what_they_are_for_and_not_on_their_order() -> None:
    async def story() -> None:
        one, other = (Sim(settings=Settings(seed=9)) for _ in range(2))
        words = [("a", 1), ("b", 2), ("c", ClusterId("3"))]
        assert [one.world.draws.unit(*w) for w in words] == list(
            reversed([other.world.draws.unit(*w) for w in reversed(words)])
        )
        assert all(0 <= one.world.draws.unit("x", n) < 1 for n in range(1000))

    play(story)
