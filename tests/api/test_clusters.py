"""Clusters that exist: read, listed, deleted, reconciled; nodes, plans, things, certificates."""

from dataclasses import replace
from decimal import Decimal

import pytest
from tests.api.platform import AT, Platform, a_node, a_request, story

from holdfast.model.certificate import CertificateState, DeletionCertificate, RemovedThing
from holdfast.model.ids import ClusterId, ProviderId, ResourceName
from holdfast.model.observed import Life
from holdfast.model.status import ClusterPhase, Condition, ConditionType
from holdfast.store.things import Thing

CLUSTERS = "/v1/kubernetes/clusters"
NOT_LAUNCHED = (
    "ready_at",
    "joined_at",
    "joining_at",
    "registered_at",
    "launched_at",
    "public_ip",
    "private_ip",
)


def a_certificate(cluster: str) -> DeletionCertificate:
    removed = (RemovedThing("network", "aws/network", "vpc-1", AT),)
    state = CertificateState.PROVISIONAL
    return DeletionCertificate(ClusterId(cluster), "web", state, AT, AT, removed, (), (AT,), "s")


@story
async def test_a25_a_cluster_has_all_must_fields(platform: Platform) -> None:
    made = await platform.cluster("web")
    shown = (await platform.get(f"{CLUSTERS}/{made['id']}")).json()
    assert shown == made
    must = {"id", "name", "status", "region", "createdAt", "cloudCredentialsIDs", "nodes"}
    assert must | {"reconcileMode"} <= shown.keys()
    assert shown["reconcileMode"] == "enabled"
    assert len(shown["id"]) == 36
    assert shown["kubernetesVersion"] == "1.37.2"


@story
async def test_q8_ids_are_found_whatever_their_case(platform: Platform) -> None:
    made = await platform.cluster("web")
    assert (await platform.get(f"{CLUSTERS}/{made['id'].upper()}")).status_code == 200


@story
async def test_q7_a9_lists_are_wrapped_and_empty_ones_are_lists(platform: Platform) -> None:
    for path in (CLUSTERS, "/v1/credentials"):
        assert (await platform.get(path)).json() == {"items": []}


@story
async def test_q10_a13_eu_central_stands_first(platform: Platform) -> None:
    items = (await platform.get("/v1/regions")).json()["items"]
    assert items[0]["name"] == "eu-central"
    assert {"name": "aws"} in items[0]["clouds"]
    assert [item["name"] for item in items] == ["eu-central", "us-east", "us-west", "sa-east"]


@pytest.mark.parametrize("phase", [phase for phase in ClusterPhase if phase != "deleted"])
@story
async def test_q21_a29_delete_works_from_every_status_and_says_deleting_at_once(
    platform: Platform, phase: ClusterPhase
) -> None:
    made = await platform.cluster("web")
    await platform.record(made["id"], phase=phase)
    answer = await platform.delete(f"{CLUSTERS}/{made['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await platform.get(f"{CLUSTERS}/{made['id']}")).json()["status"] == "deleting"
    assert platform.woken[-1] == f"cluster:{made['id']}"


@story
async def test_q21_a_pass_that_began_before_the_delete_does_not_bring_ready_back(
    platform: Platform,
) -> None:
    made = await platform.cluster("web")
    await platform.delete(f"{CLUSTERS}/{made['id']}")
    await platform.record(made["id"], phase=ClusterPhase.READY)
    assert (await platform.get(f"{CLUSTERS}/{made['id']}")).json()["status"] == "deleting"


@story
async def test_q23_a_blocked_deletion_goes_on_when_it_is_asked_again(platform: Platform) -> None:
    made = await platform.cluster("web")
    await platform.delete(f"{CLUSTERS}/{made['id']}")
    await platform.record(made["id"], phase=ClusterPhase.FAILED)
    assert (await platform.get(f"{CLUSTERS}/{made['id']}")).json()["status"] == "failed"
    assert (await platform.delete(f"{CLUSTERS}/{made['id']}")).status_code == 204
    assert (await platform.get(f"{CLUSTERS}/{made['id']}")).json()["status"] == "deleting"


@story
async def test_q22_q23_a30_a_deleted_cluster_stays_readable_and_deletable(
    platform: Platform,
) -> None:
    made = await platform.cluster("web")
    await platform.machines(made["id"])
    one = f"{CLUSTERS}/{made['id']}"
    for _ in range(2):
        assert (await platform.delete(one)).status_code == 204
    now = platform.clock.now()
    await platform.record(made["id"], phase=ClusterPhase.DELETED, deleted_at=now)
    assert (await platform.delete(one)).status_code == 204
    shown = await platform.get(one)
    assert shown.status_code == 200
    assert (shown.json()["status"], shown.json()["nodes"]) == ("deleted", [])


@story
async def test_one_delete_makes_one_event(platform: Platform) -> None:
    made = await platform.cluster("web")
    for _ in range(3):
        await platform.delete(f"{CLUSTERS}/{made['id']}")
    events = (await platform.get(f"{CLUSTERS}/{made['id']}/events")).json()["items"]
    assert [event["reason"] for event in events] == ["ClusterRequested", "DeletionRequested"]


@story
async def test_q24_a31_deleted_clusters_are_listed_on_request_behind_living_ones(
    platform: Platform,
) -> None:
    old = await platform.cluster("web")
    await platform.delete(f"{CLUSTERS}/{old['id']}")
    now = platform.clock.now()
    await platform.record(old["id"], phase=ClusterPhase.DELETED, deleted_at=now)
    (credentials,) = old["cloudCredentialsIDs"]
    new = await platform.cluster("web", cloudCredentialsIDs=[credentials])
    living = (await platform.get(CLUSTERS)).json()["items"]
    assert [item["id"] for item in living] == [new["id"]]
    both = (await platform.get(CLUSTERS, params={"includeDeleted": "true"})).json()["items"]
    assert [item["id"] for item in both] == [new["id"], old["id"]]


@story
async def test_the_list_can_be_narrowed_to_credentials(platform: Platform) -> None:
    one, two = await platform.cluster("one"), await platform.cluster("two")
    wanted = {"credentialsId": two["cloudCredentialsIDs"]}
    found = (await platform.get(CLUSTERS, params=wanted)).json()["items"]
    assert [item["id"] for item in found] == [two["id"]]
    both = {"credentialsId": two["cloudCredentialsIDs"] + one["cloudCredentialsIDs"]}
    assert len((await platform.get(CLUSTERS, params=both)).json()["items"]) == 2


@story
async def test_conditions_are_shown(platform: Platform) -> None:
    made = await platform.cluster("web")
    condition = Condition(ConditionType.UNBLOCKED, False, "Foreign", "i-1 is in the way", AT)
    await platform.record(made["id"], conditions=(condition,))
    shown = (await platform.get(f"{CLUSTERS}/{made['id']}")).json()["conditions"]
    assert shown == [
        {
            "type": "Unblocked",
            "status": False,
            "reason": "Foreign",
            "message": "i-1 is in the way",
            "since": "2026-03-01T12:00:00Z",
        }
    ]


@story
async def test_trigger_reconcile_wakes_the_cluster_and_answers_200(platform: Platform) -> None:
    made = await platform.cluster("web")
    platform.woken.clear()
    answer = await platform.http.post(f"{CLUSTERS}/{made['id']}/trigger-reconcile")
    assert answer.status_code == 200
    assert platform.woken == [f"cluster:{made['id']}"]


@story
async def test_a_deleted_cluster_cannot_be_reconciled(platform: Platform) -> None:
    made = await platform.cluster("web")
    now = platform.clock.now()
    await platform.record(made["id"], phase=ClusterPhase.DELETED, deleted_at=now)
    answer = await platform.http.post(f"{CLUSTERS}/{made['id']}/trigger-reconcile")
    assert answer.status_code == 412


@story
async def test_releasing_the_breaker_is_recorded_and_wakes_the_cluster(platform: Platform) -> None:
    made = await platform.cluster("web")
    platform.woken.clear()
    path = f"{CLUSTERS}/{made['id']}"
    answer = await platform.http.post(f"{path}/breaker-release", json={"reason": "burnt\n down"})
    assert answer.status_code == 200
    assert answer.json()["breakerReleasedAt"]
    assert platform.woken == [f"cluster:{made['id']}"]
    events = (await platform.http.get(f"{path}/events")).json()["items"]
    told = [e["message"] for e in events if e["reason"] == "BreakerReleased"]
    assert told == ["[Cluster] breaker released: burnt down"]


@story
async def test_the_breaker_needs_a_reason(platform: Platform) -> None:
    path = f"{CLUSTERS}/{(await platform.cluster('web'))['id']}"
    for body in ({}, {"reason": " "}, {"reason": "x" * 501}):
        answer = await platform.http.post(f"{path}/breaker-release", json=body)
        assert answer.status_code == 400
        assert [one["field"] for one in answer.json()["fieldViolations"]] == ["reason"]
    assert "breakerReleasedAt" not in (await platform.http.get(path)).json()


@story
async def test_q13_nodes_have_all_must_fields_and_their_machines_facts(
    platform: Platform,
) -> None:
    made = await platform.cluster("web")
    machines = await platform.machines(made["id"])
    items = (await platform.get(f"{CLUSTERS}/{made['id']}/nodes")).json()["items"]
    assert len(items) == len(machines)
    for node, machine in zip(items, machines, strict=True):
        assert node["id"] == machine.id
        assert node["name"] == machine.name
        assert node["createdAt"] == "2026-03-01T12:00:00Z"
        assert node["state"]["phase"] == "ready"
        assert node["network"] == {
            "publicIp": machine.public_ip,
            "privateIp": machine.private_ip,
        }
        assert node["instanceType"] == "t3a.large"
        assert Decimal(node["instancePrice"]) == Decimal("0.32")
        assert node["spotConfig"] == {"isSpot": False}
        one = await platform.get(f"{CLUSTERS}/{made['id']}/nodes/{node['id']}")
        assert one.json() == node
    assert [node["role"] for node in items] == ["master", "worker"]


@pytest.mark.parametrize(
    ("facts", "phase"),
    [
        ({"ready_at": None}, "notReady"),
        ({"ready_at": None, "joined_at": None}, "creating"),
        (
            dict.fromkeys(NOT_LAUNCHED),
            "pending",
        ),
    ],
)
@story
async def test_a_machines_stage_is_shown_as_v1s_phase(
    platform: Platform, facts: dict[str, None], phase: str
) -> None:
    made = await platform.cluster("web", nodes=[a_node("master")])
    await platform.machines(made["id"], **facts)
    (node,) = (await platform.get(f"{CLUSTERS}/{made['id']}/nodes")).json()["items"]
    assert node["state"]["phase"] == phase
    assert ("network" in node) is (phase != "pending")


@story
async def test_a_written_off_machine_is_shown_deleting_beside_the_node_that_replaces_it(
    platform: Platform,
) -> None:
    made = await platform.cluster("web", nodes=[a_node("master")])
    await platform.machines(made["id"], written_off_at=AT, written_off_reason="VM terminated")
    items = (await platform.get(f"{CLUSTERS}/{made['id']}/nodes")).json()["items"]
    assert [node["state"]["phase"] for node in items] == ["deleting", "pending"]
    assert items[0]["state"]["reason"] == "VM terminated"


@story
async def test_a_machine_whose_agent_is_silent_is_unknown(platform: Platform) -> None:
    made = await platform.cluster("web", nodes=[a_node("master")])
    (machine,) = await platform.machines(made["id"])
    platform.store.heartbeats.beat(machine.id, platform.clock.now())
    path = f"{CLUSTERS}/{made['id']}/nodes/{machine.id}"
    assert (await platform.get(path)).json()["state"]["phase"] == "ready"
    platform.clock.turn(60)
    assert (await platform.get(path)).json()["state"]["phase"] == "unknown"


@story
async def test_a_node_of_another_cluster_is_404(platform: Platform) -> None:
    one, two = await platform.cluster("one"), await platform.cluster("two")
    node = one["nodes"][0]["id"]
    assert (await platform.get(f"{CLUSTERS}/{one['id']}/nodes/{node}")).status_code == 200
    assert (await platform.get(f"{CLUSTERS}/{two['id']}/nodes/{node}")).status_code == 404


@story
async def test_a_preview_shows_machines_and_price_and_makes_nothing(platform: Platform) -> None:
    credentials = await platform.credentials()
    body = a_request(preset="basic", cloudCredentialsIDs=[credentials])
    answer = await platform.post(f"{CLUSTERS}:plan", body)
    assert answer.status_code == 200
    plan = answer.json()
    assert [machine["role"] for machine in plan["machines"]] == ["master"] + ["worker"] * 3
    assert plan["machines"][0]["instanceType"] == "t3a.large"
    assert plan["violations"] == []
    total = Decimal(plan["cost"]["total"]["hourly"])
    lines = sum(Decimal(line["price"]["hourly"]) for line in plan["cost"]["lines"])
    assert total == lines > 0
    monthly = Decimal(plan["cost"]["total"]["monthly"])
    assert abs(monthly - total * 720) < Decimal("0.1")
    assert (await platform.get(CLUSTERS)).json() == {"items": []}


@story
async def test_a_preview_says_what_a_create_would_refuse(platform: Platform) -> None:
    made = await platform.cluster("web")
    body = a_request("Web", cloudCredentialsIDs=made["cloudCredentialsIDs"])
    plan = (await platform.post(f"{CLUSTERS}:plan", body)).json()
    assert plan["violations"] == [{"field": "name", "description": "already taken"}]


@story
async def test_the_last_plan_is_empty_before_the_first_pass(platform: Platform) -> None:
    made = await platform.cluster("web")
    plan = (await platform.get(f"{CLUSTERS}/{made['id']}/plan")).json()
    assert plan == {"actions": [], "waiting": []}


@story
async def test_the_last_plan_shows_actions_waiting_and_what_the_machines_cost(
    platform: Platform,
) -> None:
    made = await platform.cluster("web", nodes=[a_node("master")])
    await platform.machines(made["id"])
    recorded = {
        "actions": [
            {
                "action": "Create",
                "subject": "aws/network",
                "words": "[AWS] network asked for",
                "error": "",
                "message": "",
            }
        ],
        "waiting": [{"subject": "etcd", "reason": "quorum lost", "onPerson": True}],
    }
    await platform.record(made["id"], plan=recorded, endpoint="198.18.0.1")
    plan = (await platform.get(f"{CLUSTERS}/{made['id']}/plan")).json()
    assert plan["at"]
    assert plan["actions"] == [
        {"action": "Create", "subject": "aws/network", "words": "[AWS] network asked for"}
    ]
    assert plan["waiting"] == recorded["waiting"]
    # the machine, 30 GiB of disk, its address, the endpoint's address
    assert plan["cost"]["total"]["hourly"] == "0.3330"


@story
async def test_things_are_listed_with_what_became_of_them(platform: Platform) -> None:
    made = await platform.cluster("web")
    cluster = ClusterId(made["id"])
    thing = Thing(
        cluster, ResourceName("aws/network"), "network", ProviderId("vpc-1"), Life.PRESENT, "", AT
    )
    gone = replace(thing, name=ResourceName("aws/gateway"), id=ProviderId("igw-1"))
    async with platform.store.writing() as tx:
        await platform.store.things.seen(tx, cluster, [thing, gone])
        await platform.store.things.removed(tx, cluster, [gone.id], AT)
    items = (await platform.get(f"{CLUSTERS}/{made['id']}/resources")).json()["items"]
    assert {item["id"]: item["life"] for item in items} == {"vpc-1": "present", "igw-1": "gone"}
    assert {item["id"] for item in items if "removedAt" in item} == {"igw-1"}


@story
async def test_the_certificate_is_404_until_it_is_issued(platform: Platform) -> None:
    made = await platform.cluster("web")
    path = f"{CLUSTERS}/{made['id']}/deletion-certificate"
    assert (await platform.get(path)).status_code == 404
    async with platform.store.writing() as tx:
        await platform.store.certificates.put(tx, a_certificate(made["id"]))
    shown = (await platform.get(path)).json()
    assert shown["state"] == "provisional"
    assert shown["removed"][0]["id"] == "vpc-1"
    assert (shown["foreign"], shown["signature"]) == ([], "s")
