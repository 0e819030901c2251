"""Call-backs over HTTP with a real store: who is let in, what takes effect, what is refused."""

import asyncio
import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from tests.api.platform import Platform, a_cluster, a_machine, a_platform, an_account
from tests.core.identity.cloud import Signer

from holdfast.identity import call_back, first_contact, pki, signatures
from holdfast.model.ids import ClusterId, MachineId, ProviderId, RequestId
from holdfast.model.machine import Machine
from holdfast.model.offering import Cloud, Shape
from holdfast.model.resource import Role
from holdfast.model.spec import NodeRequest
from holdfast.store import tables
from holdfast.store.agents import AgentRow
from holdfast.store.orders import Order

REGION = Signer()
NONCE = "n" * 43
ACCOUNT = "111111111111"


@dataclass
class Agent:
    """A machine's agent as the API meets it."""

    platform: Platform
    id: MachineId
    key: str = field(default_factory=signatures.new_key)
    counter: int = 0

    @property
    def path(self) -> str:
        return f"/v1/agent/machines/{self.id}"

    @property
    def millis(self) -> int:
        return int(self.platform.clock.now().timestamp() * 1000)

    async def row(self) -> Machine:
        async with self.platform.store.reading() as tx:
            machine = await self.platform.store.machines.get(tx, self.id)
        assert machine is not None
        return machine

    async def agent_row(self) -> AgentRow | None:
        async with self.platform.store.reading() as tx:
            return await self.platform.store.agents.get(tx, self.id)

    async def contact(
        self, changes: Mapping[str, Any] | None = None, **document: Any
    ) -> httpx2.Response:
        row = await self.row()
        proof = REGION.proof(
            **{
                "accountId": ACCOUNT,
                "instanceId": row.provider_id or "i-unseen",
                "privateIp": row.private_ip or "10.10.0.4",
                "instanceType": row.offering.instance_type,
                "pendingTime": f"{row.chosen_at:%FT%TZ}",
                **document,
            }
        )
        body = {
            "nonce": NONCE,
            "publicKey": signatures.public_key(self.key),
            "cloud": "aws",
            "proof": proof,
            "bootId": "boot-1",
            "at": self.millis,
            **(changes or {}),
        }
        return await self.platform.http.post(f"{self.path}/first-contact", json=body)

    def message(self, kind: str, **fields: Any) -> tuple[bytes, dict[str, str]]:
        self.counter += 1
        body = json.dumps({"kind": kind, "at": self.millis, **fields}).encode()
        signed = call_back.signed_bytes(f"{self.path}/call-backs", self.counter, body)
        signature = signatures.sign(self.key, signed)
        return body, {"Holdfast-Counter": str(self.counter), "Holdfast-Signature": signature}

    async def send(self, body: bytes, headers: Mapping[str, str]) -> httpx2.Response:
        return await self.platform.http.post(
            f"{self.path}/call-backs", content=body, headers=dict(headers)
        )

    async def call(self, kind: str, **fields: Any) -> dict[str, Any]:
        answer = await self.send(*self.message(kind, **fields))
        assert answer.status_code == 200, answer.text
        said: dict[str, Any] = answer.json()
        return said


@dataclass
class World:
    platform: Platform
    cluster: ClusterId
    master: Agent
    worker: Agent

    async def another_control_plane(self) -> Machine:
        """One that is lost; it never speaks."""
        known = await self.machine(self.master)
        made = replace(
            known, id=MachineId("00000002" + known.id[8:]), name="web-3", private_ip=None
        )
        async with self.platform.store.writing() as tx:
            await self.platform.store.machines.save(tx, made)
        return made

    async def machine(self, agent: Agent | Machine) -> Machine:
        async with self.platform.store.reading() as tx:
            found = await self.platform.store.machines.get(tx, agent.id)
        assert found is not None
        return found

    async def change(self, agent: Agent, **facts: Any) -> None:
        async with self.platform.store.writing() as tx:
            machine = await self.platform.store.machines.get(tx, agent.id)
            assert machine is not None
            await self.platform.store.machines.save(tx, replace(machine, **facts))

    async def events(self) -> list[str]:
        async with self.platform.store.reading() as tx:
            events = await self.platform.store.events.after(tx, self.cluster, 0, 1000)
        return [f"{event.reason}: {event.message}" for event in events]

    async def refusals(self) -> list[str]:
        async with self.platform.store.reading() as tx:
            return [r.reason for r in await self.platform.store.refusals.list(tx, None)]


def story(test: Any) -> Any:
    """Plays an async test on a cluster whose two machines were launched and not heard of."""

    def play() -> None:
        async def whole() -> None:
            async with a_platform(
                identity_certificates={Cloud.AWS: REGION.pem},
                platform_ca_pem=b"the CA",
                agent_archive=b"the agent",
            ) as platform:
                await test(await a_world(platform))

        asyncio.run(whole())

    play.__name__, play.__doc__ = test.__name__, test.__doc__
    return play


async def a_world(platform: Platform) -> World:
    """A cluster with its address and keys, its two machines launched."""
    store, now = platform.store, platform.clock.now()
    cluster = a_cluster("00000000-0000-4000-8000-00000000000c", endpoint="198.18.0.9")
    account = cluster.spec.clouds[0].credentials
    requests = [
        NodeRequest(RequestId(f"r{role.value}"), role, Cloud.AWS, Shape.MEDIUM) for role in Role
    ]
    facts = {"joining_at": None, "joined_at": None, "ready_at": None, "registered_at": None}
    master, worker = (
        a_machine(
            cluster.id,
            request,
            index,
            nonce_hash=first_contact.nonce_hash(NONCE),
            chosen_at=now,
            **facts,
        )
        for index, request in enumerate(requests)
    )
    async with store.writing() as tx:
        await store.credentials.add(tx, account, "prod", Cloud.AWS, {"accessKeyId": "none"})
        await store.credentials.record_check(tx, account, an_account(ACCOUNT), "")
        await store.clusters.create(tx, cluster)
        await store.machines.save(tx, master, worker)
        await store.secrets.put(tx, cluster.id, "pki", pki.new_cluster_pki(now).to_json())
    platform.http.headers.pop("X-API-Key")  # agents have no token
    return World(platform, cluster.id, Agent(platform, master.id), Agent(platform, worker.id))


async def joined(agent: Agent) -> None:
    assert (await agent.contact()).status_code == 200
    answer = await agent.call("may-join")
    assert answer["join"] is True
    await agent.call("joined", seconds=8.0, nodeName="n")


@story
async def test_the_agent_and_the_ca_are_fetched_by_hash(world: World) -> None:
    http = world.platform.http
    assert (await http.get("/v1/agent/ca.pem")).content == b"the CA"
    sha256 = hashlib.sha256(b"the agent").hexdigest()
    assert (await http.get(f"/v1/agent/{sha256}.pyz")).content == b"the agent"
    assert (await http.get(f"/v1/agent/{'0' * 64}.pyz")).status_code == 404


@story
async def test_first_contact_binds_the_key_and_wakes_the_cluster(world: World) -> None:
    answer = await world.master.contact()
    assert answer.status_code == 200
    said = answer.json()
    assert said["clusterId"] == world.cluster
    assert said["role"] == "control-plane"
    assert said["kubernetesVersion"] == "1.37.2"
    assert signatures.is_public_key(said["orderKey"])
    row = await world.master.agent_row()
    assert row is not None
    assert row.public_key == signatures.public_key(world.master.key)
    assert (await world.master.row()).registered_at == world.platform.clock.now()
    assert f"cluster:{world.cluster}" in world.platform.woken


@story
async def test_a_machine_that_was_not_seen_at_the_cloud_comes_too_early(world: World) -> None:
    await world.change(world.master, provider_id=None, private_ip=None)
    answer = await world.master.contact()
    assert answer.status_code == 425
    assert answer.headers["Retry-After"] == "1"
    assert f"cluster:{world.cluster}" in world.platform.woken
    assert await world.master.agent_row() is None
    await world.change(world.master, provider_id=ProviderId("i-unseen"), private_ip="10.10.0.4")
    assert (await world.master.contact()).status_code == 200


@pytest.mark.fault("F56", "W")
@story
async def test_every_forged_first_contact_gets_one_answer_and_no_effect(world: World) -> None:
    other = Agent(world.platform, world.worker.id)
    short = {"document": base64.b64encode(b"{}").decode()}
    answers = [
        await world.master.contact({"nonce": "m" * 43}),
        await world.master.contact(accountId="999999999999"),
        await world.master.contact(region="us-east-1"),
        await world.master.contact(instanceId="i-other"),
        await world.master.contact(pendingTime="2020-01-01T00:00:00Z"),
        await world.master.contact({"proof": short}),
        await world.master.contact({"publicKey": "none"}),
        await world.master.contact({"at": world.master.millis - 360_000}),
        await world.master.contact({"nonce": "n" * 5000}),
        await other.platform.http.post(f"{other.path}/first-contact", content=b"\xff\xfe"),
        await other.platform.http.post("/v1/agent/machines/nobody/first-contact", json={}),
    ]
    assert {answer.status_code for answer in answers} == {403}
    assert {answer.text for answer in answers} == {'{"message":"refused","fieldViolations":[]}'}
    assert await world.master.agent_row() is None
    reasons = await world.refusals()
    for word in ("wrong nonce", "account", "region", "instance", "older", "not signed", "skew"):
        assert any(word in reason for reason in reasons), word
    assert (await world.master.contact()).status_code == 200, "the genuine machine still joins"


@pytest.mark.fault("F57", "W")
@story
async def test_first_contact_is_repeated_only_by_the_same_key_and_before_it_called(
    world: World,
) -> None:
    first, again = await world.master.contact(), await world.master.contact()
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert (await Agent(world.platform, world.master.id).contact()).status_code == 403
    await world.master.call("heartbeat")
    assert (await world.master.contact()).status_code == 403
    assert len([e for e in await world.events() if e.startswith("MachineRegistered")]) == 1


@story
async def test_the_first_control_plane_is_told_to_make_the_cluster(world: World) -> None:
    await world.master.contact()
    answer = await world.master.call("may-join")
    instructions = answer["instructions"]
    assert instructions["mode"] == "init"
    assert len(instructions["files"]) == 8
    assert instructions["backends"] == [f"{(await world.master.row()).private_ip}:6443"]
    assert (await world.master.row()).joining_at is not None
    assert f"cluster:{world.cluster}" in world.platform.woken


@story
async def test_a_worker_waits_until_the_control_plane_joined(world: World) -> None:
    await world.worker.contact()
    answer = await world.worker.call("may-join")
    assert answer["join"] is False
    assert "control plane" in answer["wait"]
    assert 0 < answer["retryAfterSeconds"] <= 1
    await joined(world.master)
    answer = await world.worker.call("may-join")
    assert answer["join"] is True
    assert answer["instructions"]["mode"] == "join"
    assert answer["backends"] == [f"{(await world.master.row()).private_ip}:6443"]


@pytest.mark.fault("F19", "W")
@story
async def test_a_worker_gets_no_key_of_the_cluster(world: World) -> None:
    await joined(world.master)
    await world.worker.contact()
    instructions = (await world.worker.call("may-join"))["instructions"]
    async with world.platform.store.reading() as tx:
        stored = await world.platform.store.secrets.get(tx, world.cluster, "pki")
    keys = pki.ClusterPki.from_json(stored or b"")
    text = json.dumps(instructions)
    for name, content in keys.files.items():
        if name.endswith(".key"):
            assert json.dumps(content)[1:-1] not in text
            assert base64.b64encode(content.encode()).decode() not in text
    assert [file["path"] for file in instructions["files"]] == ["/etc/kubernetes/discovery.conf"]


@pytest.mark.parametrize("phase", ["no endpoint", "deleting", "no keys", "no address"])
def test_nobody_joins_before_all_is_there(phase: str) -> None:
    @story
    async def play(world: World) -> None:
        await world.master.contact()
        store = world.platform.store
        if phase == "no endpoint":
            await world.platform.record(world.cluster, endpoint=None)
        elif phase == "no address":
            await world.change(world.master, private_ip=None)
        else:
            async with store.writing() as tx:
                if phase == "deleting":
                    await store.clusters.ask_delete(tx, world.cluster)
                else:
                    await store.secrets.drop(tx, world.cluster)
        answer = await world.master.call("may-join")
        assert answer["join"] is False
        assert answer["wait"]
        assert (await world.master.row()).joining_at is None

    play()


@pytest.mark.fault("F17", "W")
@story
async def test_a_late_machine_gets_a_new_certificate(world: World) -> None:
    await joined(world.master)
    await world.worker.contact()
    first = await world.worker.call("may-join")
    world.platform.clock.turn(3600)
    second = await world.worker.call("may-join")
    assert first["instructions"]["files"] != second["instructions"]["files"]


@story
async def test_steps_and_failures_are_told_in_v1s_style(world: World) -> None:
    await world.master.contact()
    name = (await world.master.row()).name
    await world.master.call("step", name="kubeadm-init", detail="", seconds=8.25)
    await world.master.call("step", name="files", seconds=0.1)
    await world.master.call("failed", step="coredns", message="exit code 1", log="a\nb")
    events = await world.events()
    assert f"MachineStep: [AWS] kubeadm-init done seconds=8.2 name={name}" in events
    assert not any("files done" in event for event in events)
    assert f"MachineStepFailed: [AWS] coredns failed: exit code 1: a b name={name}" in events


@story
async def test_joined_is_a_fact_once(world: World) -> None:
    await joined(world.master)
    before = await world.master.row()
    assert before.joined_at == world.platform.clock.now()
    world.platform.clock.turn(5)
    await world.master.call("joined", seconds=9.0, nodeName="n")
    assert await world.master.row() == before
    events = [event for event in await world.events() if event.startswith("MachineJoined")]
    assert len(events) == 1
    assert f'received "initialized" event from node={before.request}' in events[0]
    assert (await world.master.call("may-join"))["join"] is False


@story
async def test_a_spot_notice_is_a_fact_and_the_most_urgent_wake(world: World) -> None:
    await world.worker.contact()
    await world.worker.call("spot-notice", action="rebalance", time="t")
    assert (await world.worker.row()).interrupted_at is None
    await world.worker.call("spot-notice", action="terminate", time="2026-03-01T12:02:00Z")
    assert (await world.worker.row()).interrupted_at == world.platform.clock.now()
    due = await world.platform.store.leases.due()
    assert [why.name for key, why in due if key.startswith("cluster")] == ["SPOT"]


@story
async def test_a_heartbeat_is_remembered_and_not_written(world: World) -> None:
    await world.worker.contact()
    await world.worker.call("heartbeat", health={"diskFreeRatio": 0.5})
    written = await world.worker.agent_row()
    for _ in range(3):
        world.platform.clock.turn(5)
        await world.worker.call("heartbeat")
    assert await world.worker.agent_row() == written
    seen = world.platform.store.heartbeats.view()[world.worker.id]
    assert seen.last_heartbeat == world.platform.clock.now()
    assert not seen.late
    world.platform.clock.turn(60)
    await world.worker.call("heartbeat")
    stamped = await world.worker.agent_row()
    assert stamped is not None
    assert stamped.counter == world.worker.counter


@pytest.mark.fault("F57", "W")
@story
async def test_a_repeat_of_the_last_message_gets_the_same_answer_and_no_second_effect(
    world: World,
) -> None:
    await world.master.contact()
    message = world.master.message("may-join")
    first, again = await world.master.send(*message), await world.master.send(*message)
    assert first.status_code == again.status_code == 200
    assert first.content == again.content
    events = [event for event in await world.events() if event.startswith("MachineJoining")]
    assert len(events) == 1


@pytest.mark.fault("F57", "W")
@story
async def test_a_recorded_message_is_refused_later_out_of_order_and_elsewhere(
    world: World,
) -> None:
    await world.master.contact()
    await world.worker.contact()
    recorded = world.master.message("joined", seconds=1.0, nodeName="n")
    assert (await world.master.send(*recorded)).status_code == 200
    await world.master.call("heartbeat")
    assert (await world.master.send(*recorded)).status_code == 403
    assert (await world.worker.send(*recorded)).status_code == 403
    elsewhere = await world.platform.http.post(
        f"{world.master.path}/first-contact", content=recorded[0], headers=recorded[1]
    )
    assert elsewhere.status_code == 403
    assert any(reason.startswith("replayed") for reason in await world.refusals())


@pytest.mark.fault("F57", "W")
@story
async def test_counters_with_effect_outlive_the_process(world: World) -> None:
    await world.master.contact()
    recorded = world.master.message("step", name="prepare", seconds=1.0)
    await world.master.send(*recorded)
    await world.master.call("step", name="network", seconds=1.0)
    row = await world.master.agent_row()
    assert row is not None
    assert row.counter == world.master.counter
    assert row.last_answer is not None


@pytest.mark.fault("F56", "W")
@story
async def test_a_key_of_another_machine_signs_nothing(world: World) -> None:
    await world.master.contact()
    await world.worker.contact()
    thief = replace(world.worker, id=world.master.id)
    answer = await thief.send(*thief.message("joined", seconds=1.0, nodeName="n"))
    assert answer.status_code == 403
    assert (await world.master.row()).joined_at is None
    assert "not signed by this machine's key" in await world.refusals()
    events = await world.events()
    assert any(event.startswith("CallBackRefused: [Cluster]") for event in events)


@pytest.mark.fault("F16", "W")
@story
async def test_a_written_off_machine_is_refused_everything(world: World) -> None:
    await joined(world.master)
    await world.worker.contact()
    await world.change(
        world.worker, written_off_at=world.platform.clock.now(), written_off_reason="lost"
    )
    for kind in ("may-join", "heartbeat"):
        assert (await world.worker.send(*world.worker.message(kind))).status_code == 403
    assert (await Agent(world.platform, world.worker.id).contact()).status_code == 403
    assert "written off: lost" in await world.refusals()


@pytest.mark.fault("F43", "W")
@story
async def test_a_call_back_of_a_skewed_clock_is_refused_and_named(world: World) -> None:
    await world.worker.contact()
    message = world.worker.message("heartbeat")
    world.platform.clock.turn(301)
    assert (await world.worker.send(*message)).status_code == 403
    assert any("-301 s" in reason for reason in await world.refusals())


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"kind": "dance"}', b'{"kind": "step", "at": 1, "name": 7}']
)
def test_a_signed_but_malformed_message_is_refused(body: bytes) -> None:
    @story
    async def play(world: World) -> None:
        await world.worker.contact()
        agent = world.worker
        signed = call_back.signed_bytes(f"{agent.path}/call-backs", 9, body)
        headers = {
            "Holdfast-Counter": "9",
            "Holdfast-Signature": signatures.sign(agent.key, signed),
        }
        assert (await agent.send(body, headers)).status_code == 403
        assert any(reason.startswith("malformed") for reason in await world.refusals())

    play()


@story
async def test_orders_travel_signed_and_are_done_once(world: World) -> None:
    order_key = (await world.master.contact()).json()["orderKey"]
    lost = await world.another_control_plane()
    order = Order(
        id="o1",
        cluster=world.cluster,
        machine=world.master.id,
        kind="remove-etcd-member",
        arguments={"machineId": lost.id, "name": lost.name, "peerIp": "10.10.0.9"},
        created_at=world.platform.clock.now(),
    )
    async with world.platform.store.writing() as tx:
        await world.platform.store.orders.add(tx, order)
    answer = await world.master.call("heartbeat")
    assert [o["id"] for o in answer["orders"]] == ["o1"]
    text = call_back.orders_text(world.master.id, world.master.counter, answer["orders"])
    assert signatures.verify(order_key, text, answer["ordersSignature"])
    await world.worker.contact()
    assert (await world.worker.call("heartbeat"))["orders"] == []
    await world.worker.call("order-done", orderId="o1", ok=True, message="not mine")
    assert (await world.master.call("heartbeat"))["orders"] != []
    assert (await world.machine(lost)).member_removed_at is None
    answer = await world.master.call("order-done", orderId="o1", ok=True, message="removed")
    assert answer["orders"] == []
    assert (await world.machine(lost)).member_removed_at is not None
    await world.master.call("order-done", orderId="o1", ok=False, message="again")
    events = [event for event in await world.events() if event.startswith("Order")]
    assert len(events) == 1
    assert "order remove-etcd-member done: removed" in events[0]


@story
async def test_refusals_are_recorded_only_so_often(world: World) -> None:
    for _ in range(30):
        assert (await world.master.contact({"nonce": "x"})).status_code == 403
    assert len(await world.refusals()) == 10
    world.platform.clock.turn(61)
    await world.master.contact({"nonce": "x"})
    assert len(await world.refusals()) == 11


@pytest.mark.fault("F18", "W")
@story
async def test_no_secret_is_in_events_refusals_or_plain_columns(world: World) -> None:
    await joined(world.master)
    await world.worker.contact({"nonce": "y" * 43})
    await world.worker.contact()
    instructions = (await world.worker.call("may-join"))["instructions"]
    secrets = [NONCE, "y" * 43, "PRIVATE KEY", instructions["files"][0]["content"][-400:-20]]
    texts = [*await world.events(), *await world.refusals()]
    async with world.platform.store.reading() as tx:
        for table in tables.metadata.sorted_tables:
            texts += [str(dict(row)) for row in await tx.rows(table.select())]
    assert not [(secret, text) for secret in secrets for text in texts if secret in text]


def test_the_clock_of_a_machine_may_be_a_little_off() -> None:
    @story
    async def play(world: World) -> None:
        at = world.platform.clock.now() + timedelta(seconds=200)
        answer = await world.master.contact({"at": int(at.timestamp() * 1000)})
        assert answer.status_code == 200

    play()


@story
async def test_quiet_messages_are_answered_without_a_query(world: World) -> None:
    await world.worker.contact()
    await world.worker.call("may-join")
    reads: list[str] = []
    reading = world.platform.store.reading

    def counted() -> Any:
        reads.append("reading")
        return reading()

    world.platform.store.reading = counted  # type: ignore[method-assign]
    for _ in range(3):
        world.platform.clock.turn(1)
        assert (await world.worker.call("may-join"))["join"] is False
        await world.worker.call("heartbeat")
    assert reads == []


@story
async def test_what_is_remembered_of_a_machine_ends_with_the_commit_that_changes_it(
    world: World,
) -> None:
    """A machine that was written off is refused from that commit on, however well it is known."""
    await world.worker.contact()
    await world.worker.call("heartbeat")
    await world.change(world.worker, written_off_at=world.platform.clock.now())
    refused = await world.worker.send(*world.worker.message("heartbeat"))
    assert refused.status_code == 403
