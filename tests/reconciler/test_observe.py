"""How listings and records become what one pass saw."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.core.planner.build import AT, MINUTE, ONE, RULES, a_world, seen, written_off
from tests.reconciler.platform import Stage, story

from holdfast.model.ids import MachineId, ProviderId, ResourceName
from holdfast.model.observed import Blind, Foreign, Life, Seen, Unsure
from holdfast.model.offering import Cloud
from holdfast.model.resource import Role
from holdfast.reconciler.observe import Recorded, fold, ghosts, one_each, unsure
from holdfast.store.intents import Intent
from holdfast.store.orders import Order
from holdfast.store.things import Thing

WORLD = a_world(3, 1)
NETWORK = ResourceName("aws/network")
GATEWAY = ResourceName("aws/gateway")
MACHINES = {m.id: m for m in WORLD.machines}


def recorded(**changes: Any) -> Recorded:
    nothing = Recorded(machines=MACHINES, intents={}, things=(), orders=(), pki=None)
    return replace(nothing, **changes)


def a_thing(name: ResourceName = NETWORK, **changes: Any) -> Thing:
    thing = Thing(ONE, name, "network", ProviderId("vpc-1"), Life.PRESENT, "", AT)
    return replace(thing, **changes)


def copies(*lives: Life, ages: tuple[int, ...] = ()) -> list[Seen]:
    """Things of one name; the first is the oldest unless `ages`, in minutes, say otherwise."""
    minutes = ages or tuple(range(len(lives), 0, -1))
    return [
        seen(WORLD.wanted[NETWORK], life, id=f"vpc-{n}", created_at=AT - age * MINUTE)
        for n, (life, age) in enumerate(zip(lives, minutes, strict=True))
    ]


P, G, L = Life.PRESENT, Life.GONE, Life.LEAVING
COPIES = [
    # lives, ages, the one that is kept, surplus
    ([P], (), "vpc-0", set()),
    ([P, P], (), "vpc-0", {"vpc-1"}),
    ([P, P, P], (1, 3, 2), "vpc-1", {"vpc-0", "vpc-2"}),
    ([G, P], (), "vpc-1", set()),
    ([P, G], (), "vpc-0", set()),
    ([G, G], (), "vpc-0", set()),
    ([L, P], (), "vpc-0", {"vpc-1"}),
]


@pytest.mark.parametrize(("lives", "ages", "kept", "surplus"), COPIES)
def test_one_thing_a_name(
    lives: list[Life], ages: tuple[int, ...], kept: str, surplus: set[str]
) -> None:
    found = copies(*lives, ages=ages)
    for order in (found, found[::-1]):
        things, more = one_each(order, MACHINES)
        assert things[NETWORK].id == kept
        assert {s.id for s in more} == surplus


def test_a_machine_is_its_recorded_vm_and_no_other() -> None:
    worker = WORLD.of(Role.WORKER)[0]
    own = WORLD.observed.things[worker.resource]
    older = replace(own, id=ProviderId("i-older"), created_at=AT - 1000 * MINUTE)
    for life in (Life.PRESENT, Life.GONE):
        things, surplus = one_each([older, replace(own, life=life)], MACHINES)
        assert things[worker.resource].id == own.id
        assert [s.id for s in surplus] == ["i-older"]
    things, surplus = one_each([older], MACHINES)
    assert worker.resource not in things
    assert [s.id for s in surplus] == ["i-older"]
    new = {worker.id: replace(worker, provider_id=None)}
    assert one_each([older], new)[0][worker.resource].id == "i-older"


def doubts(record: Recorded, *visible: ResourceName, now: timedelta = MINUTE) -> dict[Any, Unsure]:
    things = {name: WORLD.observed.things[name] for name in visible}
    return unsure(things, record, AT + now, RULES)


def test_what_was_asked_for_and_is_not_visible_is_unsure_since_then() -> None:
    intents = {NETWORK: Intent(ONE, NETWORK, "token", 1, AT, 2)}
    assert doubts(recorded(intents=intents)) == {NETWORK: Unsure(AT, RULES.gone_readings, 2)}
    assert doubts(recorded(intents=intents), NETWORK) == {}
    uncalled = {NETWORK: replace(intents[NETWORK], calls=0)}
    assert doubts(recorded(intents=uncalled)) == {}


def test_what_was_seen_and_is_missing_is_counted_from_the_first_time() -> None:
    first = doubts(recorded(things=(a_thing(),)))
    assert first == {NETWORK: Unsure(AT + MINUTE, 1, is_young=True)}
    old = doubts(recorded(things=(a_thing(),)), now=RULES.window(Cloud.AWS))
    assert not old[NETWORK].is_young
    later = a_thing(missing_since=AT, missing_readings=4)
    assert doubts(recorded(things=(later,))) == {NETWORK: Unsure(AT, 5, is_young=True)}
    assert doubts(recorded(things=(later,)), NETWORK) == {}
    assert doubts(recorded(things=(replace(later, removed_at=AT),))) == {}


def test_seen_before_and_asked_for_again_keeps_the_calls() -> None:
    intents = {NETWORK: Intent(ONE, NETWORK, "token", 1, AT, 2)}
    missing = a_thing(missing_since=AT - MINUTE, missing_readings=1)
    found = doubts(recorded(intents=intents, things=(missing,)))
    assert found == {NETWORK: Unsure(AT, 2, 2, is_young=True)}


def folded(stage: Stage, *found: Seen | Blind | Foreign, **record: Any) -> Any:
    return fold(list(found), recorded(**record), None, "silent", stage.world)


@story
async def test_every_part_of_a_listing_has_its_place(stage: Stage) -> None:
    blind = Blind(frozenset({"Subnet"}), "503")
    foreign = Foreign(ProviderId("i-f"), "instance", frozenset(), "no tags")
    stage.store.heartbeats.beat(WORLD.machines[0].id, AT)
    stage.store.heartbeats.beat(MachineId("a stranger"), AT)
    found = folded(stage, blind, foreign, *copies(P, P))
    assert found.blind == (blind,)
    assert found.foreign == (foreign,)
    assert (list(found.things), len(found.surplus)) == ([NETWORK], 1)
    assert set(found.agents) == {WORLD.machines[0].id}
    assert (found.kube, found.kube_error) == (None, "silent")


@story
async def test_a_member_is_out_when_its_order_was_carried_out_well(stage: Stage) -> None:
    lost = written_off(WORLD.cluster.spec.nodes[0])
    order = Order("o1", ONE, WORLD.machines[1].id, "remove-etcd-member", {"machineId": lost.id}, AT)
    for ok, done_at, expected in ((None, None, None), (False, AT, None), (True, AT, AT)):
        given = replace(order, ok=ok, done_at=done_at)
        found = folded(stage, machines={**MACHINES, lost.id: lost}, orders=(given,))
        assert found.machines[lost.id].member_removed_at == expected


async def rows(stage: Stage) -> dict[str, Thing]:
    async with stage.store.reading() as tx:
        return {t.id: t for t in await stage.store.things.of_cluster(tx, ONE)}


async def look(stage: Stage, times: int = 1) -> None:
    """Passes without effects: the cloud refuses everything but listings."""
    for _ in range(times):
        await stage.wake()
        await stage.step()


@story
async def test_readings_without_a_thing_are_counted_the_same_when_written_and_when_read(
    stage: Stage,
) -> None:
    """What a pass concludes from its own reading is what the next one finds recorded."""
    await stage.up(1, 1)
    worker = (await stage.of(Role.WORKER))[0]
    (vm,) = stage.cloud.living(worker.resource)
    del stage.cloud.truth[vm.id]
    for number in (1, 2):
        await look(stage)
        row = (await rows(stage))[vm.id]
        assert row.missing_readings == number
        assert row.removed_at is None
    stage.cloud.truth[vm.id] = vm
    await look(stage)
    row = (await rows(stage))[vm.id]
    assert (row.missing_readings, row.missing_since) == (0, None)
    del stage.cloud.truth[vm.id]
    stage.agents_work = False
    for _ in range(3):
        stage.clock.turn(20)
        await look(stage)
    row = (await rows(stage))[vm.id]
    assert row.missing_since
    assert row.removed_at
    assert row.removed_at - row.missing_since >= stage.world.rules.window(Cloud.AWS)
    assert row.missing_readings == stage.world.rules.gone_readings - 1  # the last one removed it
    lost = next(m for m in await stage.machines(gone=True) if m.id == worker.id)
    assert lost.written_off_at == row.removed_at


@story
async def test_blind_readings_do_not_count(stage: Stage) -> None:
    await stage.up(1, 1)
    worker = (await stage.of(Role.WORKER))[0]
    (vm,) = stage.cloud.living(worker.resource)
    del stage.cloud.truth[vm.id]
    listed = stage.cloud.observe

    async def half(*args: Any) -> Any:
        return (*await listed(*args), Blind(frozenset({"VirtualMachine"}), "503", "Unavailable"))

    stage.cloud.observe = half  # type: ignore[method-assign, assignment]
    for _ in range(5):
        stage.clock.turn(60)
        await look(stage)
    assert (await rows(stage))[vm.id].missing_readings == 0
    assert worker.id in {m.id for m in await stage.machines() if m.is_wanted}


def test_a_machine_that_went_while_the_api_was_silent_is_seen_by_its_node() -> None:
    """Its Node object would stay for ever otherwise: nobody else knows that it must go."""
    worker = next(iter(MACHINES.values()))
    gone = replace(worker, written_off_at=AT, gone_at=AT)
    kube = WORLD.observed.kube
    assert kube is not None
    record = replace(recorded(), machines={}, gone=(gone,))
    assert list(ghosts(record, kube)) == [gone.id]
    assert ghosts(record, replace(kube, nodes={})) == {}
    assert ghosts(record, None) == {}


def test_a_wanted_machine_stays_unsure_when_its_record_ends_first() -> None:
    """Its listing worked, another one did not: health could not judge when the record did."""
    worker = next(m for m in MACHINES.values() if m.role is Role.WORKER)
    assert worker.provider_id is not None
    closed = a_thing(
        worker.resource, id=worker.provider_id, missing_since=AT, missing_readings=3, removed_at=AT
    )
    assert doubts(recorded(things=(closed,)))[worker.resource].since == AT
    lost = {worker.id: replace(worker, written_off_at=AT)}
    assert doubts(recorded(things=(closed,), machines=lost)) == {}
