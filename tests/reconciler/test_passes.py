"""Whole lives of clusters on a real store: create, heal, delete, and what is told about it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.core.planner.build import ONE
from tests.reconciler.fakes import endpoint_of
from tests.reconciler.platform import Stage, is_deleted, is_settled, story

from holdfast.identity import signatures
from holdfast.model.certificate import CertificateState
from holdfast.model.cluster import Cluster
from holdfast.model.ids import ProviderId, ResourceName, cluster_key
from holdfast.model.observed import Foreign, Life
from holdfast.model.resource import FirewallRule, Role, VirtualMachine
from holdfast.model.status import ClusterPhase, ConditionType
from holdfast.planner import status
from holdfast.providers.port import Creation

SUBNET = ResourceName("aws/subnet/eu-central-1a")


@story
async def test_a_cluster_is_made_and_comes_to_rest(stage: Stage) -> None:
    await stage.up(1, 2)
    cluster = await stage.cluster()
    assert cluster.phase is ClusterPhase.READY
    assert all(condition.status for condition in cluster.conditions)
    assert cluster.observed_generation == cluster.generation
    assert cluster.endpoint == next(
        s.public_ip for s in stage.cloud.left() if s.resource.name == "aws/address/endpoint"
    )
    assert len(stage.cloud.machines()) == 3
    assert all(m.ready_at for m in await stage.machines())
    assert all(len(tokens) == 1 for tokens in stage.cloud.tokens.values())
    async with stage.store.reading() as tx:
        assert await stage.store.intents.of_cluster(tx, ONE) == {}
        things = await stage.store.things.of_cluster(tx, ONE)
    assert {t.id for t in things} == set(stage.cloud.truth)


@story
async def test_a_settled_pass_changes_nothing_and_comes_back_in_an_hour(stage: Stage) -> None:
    await stage.up()
    before, calls = await stage.cluster(), len(stage.cloud.calls)
    told = await stage.told()
    await stage.wake()
    assert (await stage.loop.handle(cluster_key(ONE))).after == status.SETTLED
    assert stage.cloud.calls[calls:] == ["observe"]
    assert await stage.told() == told
    assert (await stage.cluster()).revision == before.revision


@story
async def test_intents_are_committed_before_the_first_call(stage: Stage) -> None:
    """I10: whenever the cloud is asked, the same key is in the store already."""
    asked: list[str] = []

    async def look(creation: Creation) -> None:
        async with stage.store.reading() as tx:
            intent = (await stage.store.intents.of_cluster(tx, ONE))[creation.resource.name]
        assert intent.token == creation.token
        assert intent.calls >= 1
        asked.append(creation.resource.name)

    stage.cloud.before_create = look
    await stage.up(1, 1)
    assert len(asked) == len(stage.cloud.truth)


@story
async def test_a_killed_worker_is_replaced_and_its_node_removed(stage: Stage) -> None:
    await stage.up(1, 2)
    lost = (await stage.of(Role.WORKER))[0]
    stage.cloud.kill(lost.id)
    await stage.wake()
    await stage.step()
    assert (await stage.cluster()).phase is ClusterPhase.WARNING
    await stage.until(is_settled)
    workers = await stage.of(Role.WORKER)
    assert len(workers) == 2
    assert lost.id not in {w.id for w in workers}
    assert lost.name not in stage.kubernetes.nodes
    assert len(stage.cloud.machines()) == 3
    assert "MachineLost" in await stage.told()
    assert lost.id not in stage.store.heartbeats.view()


@story
async def test_a_killed_control_plane_of_three_is_replaced_one_member_at_a_time(
    stage: Stage,
) -> None:
    await stage.up(3, 1)
    holder = endpoint_of(stage.cloud)
    assert holder
    stage.cloud.kill(holder)
    await stage.wake()
    await stage.until(is_settled)
    assert len(stage.kubernetes.members) == 3
    assert holder not in stage.kubernetes.members
    assert endpoint_of(stage.cloud) in stage.kubernetes.members
    told = await stage.told()
    assert told.count("RemoveMember") == 1
    async with stage.store.reading() as tx:
        assert len(await stage.store.orders.of_cluster(tx, ONE)) == 1


@story
async def test_a_member_is_taken_out_also_when_its_machine_was_gone_before_anyone_could(
    stage: Stage,
) -> None:
    await stage.up(3, 0)
    lost = (await stage.of(Role.CONTROL_PLANE))[2]
    stage.agents_work = False
    stage.clock.turn(60)
    stage.cloud.kill(lost.id)
    await stage.wake()
    for _ in range(4):
        await stage.step()
    assert lost.id not in {machine.id for machine in await stage.machines()}
    assert lost.id in stage.kubernetes.members
    stage.agents_work = True
    await stage.wake()
    await stage.until(is_settled)
    assert lost.id not in stage.kubernetes.members
    assert len(stage.kubernetes.members) == 3


@story
async def test_an_order_that_is_not_carried_out_yet_is_given_once_and_waited_for(
    stage: Stage,
) -> None:
    await stage.up(3, 0)
    stage.agents_work = False
    stage.cloud.kill((await stage.of(Role.CONTROL_PLANE))[2].id)
    await stage.wake()
    gaps = [(await stage.step()).after for _ in range(12)]
    assert (await stage.told()).count("RemoveMember") == 1
    assert sum(gap <= status.PROGRESS for gap in gaps) < 6


@story
async def test_a_rule_that_someone_opened_is_closed_again(stage: Stage) -> None:
    await stage.up(1, 1)
    identity, rule = next(
        (i, s) for i, s in stage.cloud.truth.items() if isinstance(s.resource, FirewallRule)
    )
    assert isinstance(rule.resource, FirewallRule)
    opened = replace(rule.resource, from_port=22, to_port=22, protocol="tcp")
    stage.cloud.truth[identity] = replace(rule, resource=opened)
    machines = {s.id for s in stage.cloud.machines()}
    await stage.wake()
    await stage.until(is_settled)
    assert opened not in [s.resource for s in stage.cloud.left()]
    assert rule.resource in [s.resource for s in stage.cloud.left()]
    assert {s.id for s in stage.cloud.machines()} == machines


@story
async def test_what_is_made_again_gets_a_new_key(stage: Stage) -> None:
    """A cloud answers a known key with the old thing, also when that is gone."""
    await stage.up()
    name = ResourceName("aws/rule/worker/node-ports-udp")
    lost = next(s for s in stage.cloud.left() if s.resource.name == name)
    del stage.cloud.truth[lost.id]
    await stage.wake()
    await stage.until(is_settled)
    assert len(stage.cloud.tokens[name]) == 2


@story
async def test_a_deletion_ends_with_a_signed_certificate_in_two_steps(stage: Stage) -> None:
    await stage.up(1, 2)
    made = {s.id for s in stage.cloud.left()}
    await stage.delete()
    states: list[CertificateState] = []
    while not await is_deleted(stage):
        await stage.step()
        async with stage.store.reading() as tx:
            certificate = await stage.store.certificates.get(tx, ONE)
        if certificate and certificate.state not in states:
            states.append(certificate.state)
    assert states == [CertificateState.PROVISIONAL, CertificateState.CONFIRMED]
    assert certificate
    assert {thing.id for thing in certificate.removed} == made
    calls_at = (await stage.cluster()).delete_calls_at
    assert calls_at
    assert certificate.listings[-1] - calls_at >= timedelta(seconds=30)
    public = signatures.public_key(stage.world.installation.signing_key_pem)
    assert signatures.verify(public, certificate.canonical().encode(), certificate.signature)
    altered = replace(certificate, foreign=("nothing",))
    assert not signatures.verify(public, altered.canonical().encode(), certificate.signature)
    assert stage.cloud.left() == []
    assert (await stage.cluster()).phase is ClusterPhase.DELETED
    assert stage.world.told.last == {}
    assert stage.world.pauses.known == {}
    assert stage.kubernetes.closed == 1


@story
async def test_a_deletion_that_a_foreign_machine_holds_fails_names_it_and_then_ends(
    stage: Stage,
) -> None:
    await stage.up(1, 1)
    stage.cloud.foreign = (
        Foreign(ProviderId("i-f00"), "instance", frozenset({SUBNET}), "Name=shop"),
    )
    await stage.delete()

    async def has_failed(stage: Stage) -> bool:
        return (await stage.cluster()).phase is ClusterPhase.FAILED

    await stage.until(has_failed)
    for _ in range(5):
        await stage.step()
        assert await has_failed(stage)
    unblocked = _condition(await stage.cluster(), ConditionType.UNBLOCKED)
    assert "i-f00" in unblocked
    assert "Name=shop" in unblocked
    assert stage.cloud.machines() == []
    assert (await stage.told()).count("Blocked") == 1
    stage.cloud.foreign = ()
    await stage.until(is_deleted)


def _condition(cluster: Cluster, kind: ConditionType) -> str:
    return next(c.message for c in cluster.conditions if c.type is kind)


@story
async def test_a_deletion_during_creation_leaves_nothing(stage: Stage) -> None:
    await stage.create(1, 1)
    for _ in range(4):
        await stage.step()
    assert stage.cloud.left()
    await stage.delete()
    await stage.until(is_deleted)
    assert stage.cloud.left() == []


@story
async def test_a_paused_cluster_gets_no_actions_and_no_verdicts(stage: Stage) -> None:
    await stage.up(1, 2)
    async with stage.store.writing() as tx:
        await stage.store.clusters.set_paused(tx, ONE, True)
    lost = (await stage.of(Role.WORKER))[0]
    stage.cloud.kill(lost.id)
    await stage.wake()
    calls = len(stage.cloud.calls)
    again = await stage.step()
    assert again.after == status.SETTLED
    assert stage.cloud.calls[calls:] == ["observe"]
    assert lost.id in {m.id for m in await stage.machines() if m.is_wanted}
    async with stage.store.writing() as tx:
        await stage.store.clusters.set_paused(tx, ONE, False)
    await stage.wake()
    await stage.until(is_settled)
    assert len(stage.cloud.machines()) == 3


@story
async def test_a_call_back_during_a_pass_is_not_overwritten(stage: Stage) -> None:
    """A pass saves what it learned on top of what agents told meanwhile."""
    await stage.create(1, 1)
    stage.agents_work = False
    told: list[str] = []

    async def tell() -> None:
        for machine in await stage.machines():
            if machine.id in told or machine.provider_id is not None:
                continue
            if stage.cloud.living(machine.resource):
                told.append(machine.id)
                async with stage.store.writing() as tx:
                    spoken = replace(machine, interrupted_at=stage.clock.now())
                    await stage.store.machines.save(tx, spoken)

    listed = stage.cloud.observe

    async def observe(*args: object) -> object:
        found = await listed(*args)  # type: ignore[arg-type]
        await tell()
        return found

    stage.cloud.observe = observe  # type: ignore[method-assign, assignment]
    for _ in range(12):
        await stage.step()
    machines = {m.id: m for m in await stage.machines()}
    assert told
    for identity in told:
        machine = machines[identity]  # type: ignore[index]
        assert machine.interrupted_at is not None
        assert machine.provider_id is not None


@story
async def test_a_second_vm_of_a_machine_is_removed_also_while_the_first_is_out_of_sight(
    stage: Stage,
) -> None:
    await stage.up(1, 1)
    worker = (await stage.of(Role.WORKER))[0]
    (first,) = stage.cloud.living(worker.resource)
    assert isinstance(first.resource, VirtualMachine)
    copy = replace(first, id=ProviderId("id-copy"))
    del stage.cloud.truth[first.id]
    stage.cloud.truth[copy.id] = copy
    await stage.wake()
    await stage.step()
    assert stage.cloud.truth[copy.id].life is Life.LEAVING
    stage.cloud.truth[first.id] = first
    await stage.wake()
    await stage.until(is_settled)
    assert [s.id for s in stage.cloud.living(worker.resource)] == [first.id]


@pytest.mark.parametrize("kind", ["network", "address/endpoint"])
@story
async def test_a_thing_whose_answer_was_lost_is_waited_for_and_adopted(
    stage: Stage, kind: str
) -> None:
    name = ResourceName(f"aws/{kind}")
    lost: list[str] = []

    def loses(asked: str) -> bool:
        lost.append(asked)
        return asked == name and lost.count(name) == 1

    stage.cloud.loses, stage.cloud.lag = loses, timedelta(seconds=2)
    await stage.up(1, 1)
    assert len(stage.cloud.living(name)) == 1
    assert lost.count(name) == 1
