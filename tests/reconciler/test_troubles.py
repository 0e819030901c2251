"""Clouds that refuse, fail, lose answers or are out: what is done, said and left alone."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.core.planner.build import KEYS
from tests.reconciler.platform import Stage, is_deleted, is_settled, story

from holdfast.model.ids import ResourceName
from holdfast.model.resource import Role, VirtualMachine
from holdfast.model.status import ClusterPhase, ConditionType
from holdfast.model.workload import Pod
from holdfast.providers import errors
from holdfast.providers.port import Creation

SUBNET = ResourceName("aws/subnet/eu-central-1a")


def failing(
    error: type[errors.ProviderError], verb: str, word: str = "", code: str = "Code"
) -> Callable[[str, str], None]:
    """The cloud answers with this error to every such call."""

    def refuse(asked: str, name: str) -> None:
        if asked == verb and word in name:
            raise error(f"{asked} {name}", code, "its own words")

    return refuse


def willing(verb: str, name: str) -> None:
    """The cloud is well."""


async def condition(stage: Stage, kind: ConditionType) -> tuple[bool, str]:
    cluster = await stage.cluster()
    return next((c.status, c.message) for c in cluster.conditions if c.type is kind)


@story
async def test_an_outage_of_a_minute_destroys_nothing_and_says_why_it_waits(stage: Stage) -> None:
    await stage.up(1, 2)
    stage.cloud.refuse = failing(errors.Unavailable, "observe", code="ServiceUnavailable")
    truth, began = dict(stage.cloud.truth), stage.clock.now()
    before, calls = await stage.machines(), len(stage.cloud.calls)
    await stage.wake()
    while stage.clock.now() - began < timedelta(seconds=60):
        await stage.step()
    assert stage.cloud.truth == truth
    assert set(stage.cloud.calls[calls:]) == {"observe"}
    assert len(stage.cloud.calls[calls:]) < 30
    assert await stage.machines() == before
    status, message = await condition(stage, ConditionType.CLOUD_REACHABLE)
    assert not status
    assert "ServiceUnavailable: its own words" in message
    assert (await stage.cluster()).phase is ClusterPhase.WARNING
    stage.cloud.refuse = willing
    await stage.until(is_settled)
    assert stage.cloud.truth == truth


@story
async def test_an_outage_during_creation_ends_in_the_same_cluster(stage: Stage) -> None:
    await stage.create(1, 2)
    for verb in ("observe", "create"):
        await stage.step()
        stage.cloud.refuse = failing(errors.Unavailable, verb)
        for _ in range(12):
            await stage.step()
        status, message = await condition(stage, ConditionType.CLOUD_REACHABLE)
        assert not status
        assert "its own words" in message
        stage.cloud.refuse = willing
    await stage.until(is_settled)
    assert len(stage.cloud.machines()) == 3
    assert len(stage.cloud.truth) == len({s.resource.name for s in stage.cloud.truth.values()})


@story
async def test_a_call_that_is_refused_again_and_again_is_made_in_growing_gaps(stage: Stage) -> None:
    await stage.create(1, 1)
    stage.cloud.refuse = failing(errors.Throttled, "create", "network", "RequestLimitExceeded")
    began = stage.clock.now()
    while stage.clock.now() - began < timedelta(minutes=2):
        await stage.step()
    asked = stage.cloud.calls.count("create aws/network")
    assert 4 <= asked <= 9
    assert (await stage.told()).count("Throttled") == 1
    stage.cloud.refuse = willing
    await stage.until(is_settled)


@story
async def test_capacity_that_is_gone_in_one_zone_is_taken_in_another(stage: Stage) -> None:
    await stage.create(1, 2)
    sold_out = {f"{kind}/eu-central-1a" for kind in ("t3.medium", "t3.large", "m5.xlarge")}

    def refuse(verb: str, name: str) -> None:
        if verb == "create" and "/machine/d" in name:
            offering = wanted[name].offering
            if f"{offering.instance_type}/{offering.zone}" in sold_out:
                raise errors.CapacityUnavailable(name, "InsufficientInstanceCapacity", "none")

    wanted: dict[str, VirtualMachine] = {}

    async def look(creation: Creation) -> None:
        if isinstance(creation.resource, VirtualMachine):
            wanted[creation.resource.name] = creation.resource

    stage.cloud.before_create, stage.cloud.refuse = look, refuse
    await stage.until(is_settled)
    workers = await stage.of(Role.WORKER)
    assert {w.offering.zone for w in workers} == {"eu-central-1b"}
    assert all(w.attempt == 2 for w in workers)
    for worker in workers:
        assert len(stage.cloud.tokens[worker.resource]) == 2
        assert len(stage.cloud.living(worker.resource)) == 1
    control_plane = (await stage.of(Role.CONTROL_PLANE))[0]
    assert control_plane.offering.zone == "eu-central-1a"


@story
async def test_capacity_that_is_gone_everywhere_is_waited_for_and_said(stage: Stage) -> None:
    await stage.create(1, 1)
    stage.cloud.refuse = failing(errors.CapacityUnavailable, "create", "/machine/")
    for _ in range(40):
        await stage.step()
    status, message = await condition(stage, ConditionType.UNBLOCKED)
    assert not status
    assert "is sold out and nothing else fits" in message
    asked = [call for call in stage.cloud.calls if call.startswith("create aws/machine")]
    assert len(asked) <= 2 * 9  # each of the nine offerings once for each of the two machines
    stage.cloud.refuse = willing
    stage.clock.turn(3600)
    await stage.wake()
    await stage.until(is_settled)


REFUSALS = [
    (errors.QuotaExceeded, "VcpuLimitExceeded", ConditionType.UNBLOCKED),
    (errors.RequestRejected, "InvalidParameterValue", ConditionType.UNBLOCKED),
    (errors.CredentialsRejected, "UnauthorizedOperation", ConditionType.CREDENTIALS_VALID),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=[r[1] for r in REFUSALS])
@story
async def test_what_a_person_must_end_is_a_condition_that_names_the_thing(
    stage: Stage, refusal: tuple[type[errors.ProviderError], str, ConditionType]
) -> None:
    error, code, kind = refusal
    await stage.create(1, 1)
    stage.cloud.refuse = failing(error, "create", "/machine/", code)
    for _ in range(25):
        await stage.step()
    status, message = await condition(stage, kind)
    assert not status
    assert code in message
    assert "create aws/machine/" in message
    assert (await stage.cluster()).phase is ClusterPhase.WARNING
    asked = [call for call in stage.cloud.calls if call.startswith("create aws/machine")]
    assert len(asked) < 20
    stage.cloud.refuse = willing
    stage.clock.turn(120)
    await stage.wake()
    await stage.until(is_settled)
    assert len(stage.cloud.machines()) == 2


@story
async def test_a_deletion_with_refused_credentials_waits_with_a_condition_and_resumes(
    stage: Stage,
) -> None:
    await stage.up(1, 1)
    truth = dict(stage.cloud.truth)
    stage.providers.refusal = errors.CredentialsRejected("connect", "", "accessKeyId is missing")
    await stage.delete()
    for _ in range(10):
        await stage.step()
    assert stage.cloud.truth == truth
    status, message = await condition(stage, ConditionType.CREDENTIALS_VALID)
    assert not status
    assert "accessKeyId is missing" in message
    assert (await stage.cluster()).phase is ClusterPhase.DELETING
    stage.providers.refusal = None
    await stage.until(is_deleted)
    assert stage.cloud.left() == []


@story
async def test_a_key_is_read_once_a_pass_and_always_anew(stage: Stage) -> None:
    await stage.create(1, 1)
    await stage.step()
    assert len(stage.providers.asked) == 1
    async with stage.store.writing() as tx:
        await stage.store.credentials.replace_secret(tx, KEYS, {"accessKeyId": "NEW"})
    await stage.step()
    assert stage.providers.asked[-1] == {"accessKeyId": "NEW"}


@story
async def test_a_thing_that_shows_late_is_not_asked_for_again(stage: Stage) -> None:
    """F05: every kind is visible only seconds after its creation."""
    stage.cloud.lag = timedelta(seconds=0.9)
    await stage.create(1, 1)
    await stage.until(is_settled)
    creates = [c for c in stage.cloud.calls if c.startswith("create")]
    assert len(creates) == len(set(creates)) == len(stage.cloud.truth)
    assert "Blocked" not in await stage.told()


@story
async def test_a_machine_whose_answer_was_lost_is_adopted(stage: Stage) -> None:
    stage.cloud.loses = lambda name: "/machine/" in name
    await stage.up(1, 2)
    assert len(stage.cloud.machines()) == 3
    assert len([s for s in stage.cloud.truth.values() if "/machine/" in s.resource.name]) == 3


@story
async def test_an_announced_end_is_drained_once_and_the_rest_is_waited_for(stage: Stage) -> None:
    await stage.up(1, 2)
    worker = (await stage.of(Role.WORKER))[0]
    stage.kubernetes.pods = [
        Pod("shop", "web-1", worker.name, "Running", is_daemon=False, is_mirror=False),
        Pod("shop", "db-0", worker.name, "Running", is_daemon=False, is_mirror=False),
        Pod("kube-system", "flannel", worker.name, "Running", is_daemon=True, is_mirror=False),
    ]
    stage.kubernetes.kept = {"db-0"}
    async with stage.store.writing() as tx:
        spoken = replace(worker, interrupted_at=stage.clock.now())
        await stage.store.machines.save(tx, spoken)
    await stage.wake()
    for _ in range(20):
        await stage.step()
    assert worker.name in stage.kubernetes.cordoned
    assert [pod.name for pod in stage.kubernetes.pods] == ["db-0", "flannel"]
    said = [e.message for e in await stage.events() if e.subject == worker.name]
    kept = "a PodDisruptionBudget keeps shop/db-0; the cloud announced its end"
    assert said.count(kept) == 1
    assert len(await stage.of(Role.WORKER)) == 3  # its replacement is there already
    stage.kubernetes.kept = set()
    for _ in range(10):
        await stage.step()
    assert [pod.name for pod in stage.kubernetes.pods] == ["flannel"]
    assert (await stage.told()).count("Drain") <= 2
    stage.cloud.kill(worker.id)
    await stage.wake()
    await stage.until(is_settled)
    assert worker.name not in stage.kubernetes.nodes


@story
async def test_a_trouble_that_returns_is_told_again(stage: Stage) -> None:
    await stage.up(1, 1)
    for _ in range(2):
        rule = next(s for s in stage.cloud.left() if s.resource.name.endswith("control-plane/api"))
        del stage.cloud.truth[rule.id]
        stage.cloud.refuse = failing(errors.RequestRejected, "create", "rule", "InvalidGroup")
        await stage.wake()
        for _ in range(3):
            await stage.step()
        stage.cloud.refuse = willing
        stage.clock.turn(120)
        await stage.wake()
        await stage.until(is_settled)
    assert (await stage.told()).count("RequestRejected") == 2
