"""Clusters, machines and what belongs to them: intents, things, orders."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from holdfast.model.ids import (
    ClusterId,
    MachineId,
    ProviderId,
    ResourceName,
)
from holdfast.model.observed import Life
from holdfast.model.status import ClusterPhase, Condition, ConditionType
from holdfast.store.errors import (
    NameTaken,
    Unknown,
)
from holdfast.store.intents import Intent
from holdfast.store.orders import Order
from holdfast.store.store import Store
from holdfast.store.things import Thing

AT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
ONE = ClusterId("c1")
TWO = ClusterId("c2")


def test_a_cluster_comes_back_as_it_was_saved(play: Any, build: Any) -> None:
    async def story(store: Store) -> None:
        condition = Condition(ConditionType.NETWORK_READY, True, "Made", "all of it", AT)
        cluster = build.cluster(
            conditions=(condition,), endpoint="1.2.3.4", reconcile_paused=True, reconciled_at=AT
        )
        async with store.writing() as tx:
            await store.clusters.create(tx, cluster)
        async with store.reading() as tx:
            assert await store.clusters.get(tx, ONE) == cluster
            assert await store.clusters.list(tx) == [cluster]
            assert await store.clusters.get(tx, TWO) is None

    play(story)


def test_names_are_unique_without_case_among_living_clusters(play: Any, build: Any) -> None:
    async def story(store: Store) -> None:
        await build.saved(store)
        async with store.writing() as tx:
            with pytest.raises(NameTaken, match="cluster name 'WEB' is taken"):
                await store.clusters.create(tx, build.cluster(TWO, "WEB"))
            await store.clusters.record(tx, ONE, **build.recorded(deleted_at=AT))
            await store.clusters.create(tx, build.cluster(TWO, "WEB"))
            assert [each.id for each in await store.clusters.list(tx)] == [TWO]
            everything = await store.clusters.list(tx, include_deleted=True)
            assert [each.id for each in everything] == [ONE, TWO]

    play(story)


def test_asking_twice_to_delete_keeps_the_first_time(play: Any, clock: Any, build: Any) -> None:
    async def story(store: Store) -> None:
        await build.saved(store)
        async with store.writing() as tx:
            first = await store.clusters.ask_delete(tx, ONE)
            clock.turn(60)
            assert await store.clusters.ask_delete(tx, ONE) == first
            assert first.phase is ClusterPhase.DELETING
            assert first.revision == 2
            with pytest.raises(Unknown, match="cluster c2: there is none"):
                await store.clusters.ask_delete(tx, TWO)

    play(story)


def test_a_pass_raises_the_revision_only_when_something_changed(play: Any, build: Any) -> None:
    async def story(store: Store) -> None:
        await build.saved(store)
        later = AT + timedelta(seconds=5)
        async with store.writing() as tx:
            first = await store.clusters.record(tx, ONE, **build.recorded(plan={"actions": [1]}))
            again = await store.clusters.record(tx, ONE, **build.recorded(reconciled_at=later))
            assert again.revision == first.revision == 2
            assert again.reconciled_at == later
            assert await store.clusters.plan(tx, ONE) == {}
            ready = await store.clusters.record(tx, ONE, **build.recorded(phase=ClusterPhase.READY))
            assert ready.revision == 3

    play(story)


def test_pausing_is_a_change_of_the_user(play: Any, build: Any) -> None:
    async def story(store: Store) -> None:
        await build.saved(store)
        async with store.writing() as tx:
            paused = await store.clusters.set_paused(tx, ONE, True)
            assert (paused.reconcile_paused, paused.revision) == (True, 2)
            assert (await store.clusters.set_paused(tx, ONE, True)).revision == 2

    play(story)


def test_a_machine_comes_back_as_it_was_saved_and_replaces_itself(play: Any, build: Any) -> None:
    async def story(store: Store) -> None:
        await build.saved(store, build.machine(), build.machine("m2", gone_at=AT))
        ready = build.machine(provider_id=ProviderId("i-1"), private_ip="10.10.0.4", ready_at=AT)
        async with store.writing() as tx:
            await store.machines.save(tx, ready)
            assert await store.machines.get(tx, MachineId("m1")) == ready
            assert await store.machines.of_cluster(tx, ONE) == (ready,)
            everything = await store.machines.of_cluster(tx, ONE, gone=True)
            assert [each.id for each in everything] == ["m1", "m2"]
            assert await store.machines.by_cluster(tx) == {ONE: (ready,)}

    play(story)


def test_a_machine_without_cluster_is_refused(play: Any, build: Any) -> None:
    async def story(store: Store) -> None:
        with pytest.raises(Exception, match="FOREIGN KEY constraint failed"):
            async with store.writing() as tx:
                await store.machines.save(tx, build.machine())

    play(story)


def test_intents_are_replaced_by_name_and_dropped(play: Any, build: Any) -> None:
    async def story(store: Store) -> None:
        await build.saved(store)
        network, subnet = ResourceName("network"), ResourceName("subnet/a")
        first = Intent(ONE, network, "t1", 1, AT)
        second = dataclasses.replace(first, token="t2", attempt=2, calls=3)
        other = Intent(ONE, subnet, "t3", 1, AT)
        async with store.writing() as tx:
            await store.intents.save(tx)
            await store.intents.save(tx, first, other)
            await store.intents.save(tx, second)
            assert await store.intents.of_cluster(tx, ONE) == {network: second, subnet: other}
            await store.intents.drop(tx, ONE, (network,))
            assert await store.intents.of_cluster(tx, ONE) == {subnet: other}

    play(story)


def test_things_keep_when_they_were_first_seen_and_first_known_gone(play: Any, build: Any) -> None:
    async def story(store: Store) -> None:
        await build.saved(store)
        later = AT + timedelta(minutes=1)
        seen = Thing(ONE, ResourceName("network"), "network", ProviderId("v"), Life.PENDING, "", AT)
        again = dataclasses.replace(seen, life=Life.PRESENT, first_seen_at=later)
        async with store.writing() as tx:
            await store.things.seen(tx, ONE, (seen,))
            await store.things.seen(tx, ONE, (again,))
            (now,) = await store.things.of_cluster(tx, ONE)
            assert now == dataclasses.replace(seen, life=Life.PRESENT)
            await store.things.removed(tx, ONE, [seen.id], later)
            await store.things.removed(tx, ONE, [seen.id], later + timedelta(hours=1))
            (gone,) = await store.things.of_cluster(tx, ONE)
            assert (gone.removed_at, gone.life) == (later, Life.GONE)
            with pytest.raises(ValueError, match="another cluster than c2"):
                await store.things.seen(tx, TWO, (seen,))

    play(story)


def test_an_order_is_given_once_until_it_failed(play: Any, clock: Any, build: Any) -> None:
    async def story(store: Store) -> None:
        await build.saved(store, build.machine(), build.machine("m2"))
        lost = {"name": "x", "peerIp": "10.0.0.1"}
        turned = dict(reversed(lost.items()))

        def order(id_: str, arguments: dict[str, str]) -> Order:
            return Order(id_, ONE, MachineId("m1"), "remove-etcd-member", arguments, clock.now())

        async with store.writing() as tx:
            assert (await store.orders.add(tx, order("o1", lost))).id == "o1"
            assert (await store.orders.add(tx, order("o2", turned))).id == "o1"
            assert [each.id for each in await store.orders.pending(tx, MachineId("m1"))] == ["o1"]
            assert await store.orders.pending(tx, MachineId("m2")) == ()
            other = MachineId("m2")
            assert await store.orders.done(tx, "o1", True, "", machine=other) is None
            failed = await store.orders.done(tx, "o1", False, "no route")
            assert failed is not None
            assert (failed.ok, failed.message, failed.done_at) == (False, "no route", clock.now())
            assert await store.orders.pending(tx, MachineId("m1")) == ()

            assert (await store.orders.add(tx, order("o3", lost))).id == "o3"
            await store.orders.done(tx, "o3", True, "", machine=MachineId("m1"))
            repeated = await store.orders.done(tx, "o3", False, "late", machine=MachineId("m1"))
            assert repeated is not None
            assert repeated.ok is True
            assert (await store.orders.add(tx, order("o4", lost))).id == "o3"
            assert [each.id for each in await store.orders.of_cluster(tx, ONE)] == ["o1", "o3"]

    play(story)
