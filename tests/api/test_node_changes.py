"""Nodes that are added, deleted and replaced; every refusal names the node and what to do."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

from tests.api.platform import Platform, a_node, a_region, story, violations

from holdfast.model.ids import MachineId
from holdfast.model.machine import Machine
from holdfast.model.resource import Role

CLUSTERS = "/v1/kubernetes/clusters"
HA = [a_node("master", "medium")] * 3 + [a_node()] * 2


async def up(
    platform: Platform, nodes: list[dict[str, Any]] | None = None
) -> tuple[str, list[Machine]]:
    """A cluster whose machines are all ready: the path of its nodes, and those."""
    more = {"nodes": nodes} if nodes else {}
    made = await platform.cluster("web", **more)
    return f"{CLUSTERS}/{made['id']}/nodes", await platform.machines(made["id"])


async def machine(platform: Platform, like: Machine) -> Machine:
    async with platform.store.reading() as tx:
        found = await platform.store.machines.get(tx, like.id)
    assert found is not None
    return found


async def wishes(platform: Platform, nodes: str) -> list[str]:
    """Ids of the nodes that the specification asks for."""
    row = await platform.row(nodes.split("/")[-2])
    return [node.id for node in row.spec.nodes]


@story
async def test_an_added_node_is_listed_at_once_under_the_id_of_the_answer(
    platform: Platform,
) -> None:
    nodes, _ = await up(platform)
    answer = await platform.post(nodes, a_node())
    assert answer.status_code == 201
    said = answer.json()
    assert len(said["operationId"]) == 36
    shown = (await platform.get(f"{nodes}/{said['nodeId']}")).json()
    assert (shown["role"], shown["state"]["phase"]) == ("worker", "pending")
    row = await platform.row(nodes.split("/")[-2])
    assert row.generation == 2
    assert f"cluster:{row.id}" in platform.woken


@story
async def test_q15_a_shape_may_be_an_instance_type(platform: Platform) -> None:
    nodes, _ = await up(platform)
    assert (await platform.post(nodes, a_node(shape="m5.xlarge"))).status_code == 201
    row = await platform.row(nodes.split("/")[-2])
    assert row.spec.nodes[-1].instance_type == "m5.xlarge"


@story
async def test_a_repeat_with_the_same_key_adds_no_second_node(platform: Platform) -> None:
    nodes, _ = await up(platform)
    before = await wishes(platform, nodes)
    key = {"Idempotency-Key": "again"}
    first = (await platform.post(nodes, a_node(), headers=key)).json()
    assert (await platform.post(nodes, a_node(), headers=key)).json() == first
    assert await wishes(platform, nodes) == [*before, first["nodeId"]]
    other = (await platform.post(nodes, a_node(), headers={"Idempotency-Key": "other"})).json()
    assert other["nodeId"] != first["nodeId"]


@story
async def test_a_repeat_that_comes_after_the_node_went_adds_none(platform: Platform) -> None:
    nodes, known = await up(platform)
    key = {"Idempotency-Key": "again"}
    made = (await platform.post(nodes, a_node(), headers=key)).json()["nodeId"]
    row = await platform.row(known[0].cluster)
    gone = replace(known[1], id=MachineId(made), request=made, gone_at=platform.clock.now())
    async with platform.store.writing() as tx:
        await platform.store.machines.save(tx, gone)
        await platform.store.clusters.change_nodes(tx, row.id, row.spec.nodes[:-1])
    before = await wishes(platform, nodes)
    assert (await platform.post(nodes, a_node(), headers=key)).json()["nodeId"] == made
    assert await wishes(platform, nodes) == before


@story
async def test_what_cannot_be_added_is_refused_by_field(platform: Platform) -> None:
    nodes, _ = await up(platform)
    before = await wishes(platform, nodes)
    for body, field in (
        (a_node(shape="huge"), "add[0].shape"),
        (a_node(shape=""), "add[0].shape"),
        ({**a_node(), "instanceType": "z9.none"}, "add[0].instanceType"),
        ({**a_node(), "cloud": "gcp"}, "add[0].cloud"),
        ({**a_node(), "spotConfig": {"isSpot": True, "price": "1"}}, "add[0].spotConfig.price"),
    ):
        answer = await platform.post(nodes, body)
        assert answer.status_code == 400, body
        assert field in violations(answer)
    assert await wishes(platform, nodes) == before


@story
async def test_an_account_whose_quota_is_full_refuses_before_anything_is_saved(
    platform: Platform,
) -> None:
    nodes, _ = await up(platform)
    platform.accounts.region = a_region(vcpus=1)
    row = await platform.row(nodes.split("/")[-2])
    async with platform.store.writing() as tx:
        await platform.store.regions.save(tx, row.spec.clouds[0].credentials, a_region(vcpus=1))
    answer = await platform.post(nodes, a_node())
    assert answer.status_code == 400
    assert "Running On-Demand Standard instances allows 1 vCPU" in violations(answer)["add"]
    assert len(await wishes(platform, nodes)) == 2


@story
async def test_a_deleted_node_is_draining_and_no_longer_asked_for(platform: Platform) -> None:
    nodes, known = await up(platform)
    worker = known[1]
    answer = await platform.delete(f"{nodes}/{worker.id}?drainTimeout=60")
    assert answer.status_code == 201
    assert answer.json()["drainTimeout"] == 60
    assert await wishes(platform, nodes) == [known[0].request]
    assert (await machine(platform, worker)).drain_seconds == 60
    shown = (await platform.get(f"{nodes}/{worker.id}")).json()
    assert shown["state"]["phase"] == "draining"


@story
async def test_a_node_is_deleted_by_the_id_of_its_request_too(platform: Platform) -> None:
    nodes, known = await up(platform)
    assert (await platform.delete(f"{nodes}/{known[1].request}?force=true")).status_code == 201
    assert (await machine(platform, known[1])).drain_seconds == 0


@story
async def test_deleting_twice_changes_nothing_more_and_force_shortens_the_wait(
    platform: Platform,
) -> None:
    nodes, known = await up(platform)
    path = f"{nodes}/{known[1].id}"
    first = (await platform.delete(path)).json()["operationId"]
    generation = (await platform.row(known[0].cluster)).generation
    again = await platform.delete(f"{path}?force=true")
    assert (again.status_code, again.json()["operationId"]) == (201, first)
    assert (await platform.row(known[0].cluster)).generation == generation
    assert (await machine(platform, known[1])).drain_seconds == 0


@story
async def test_what_is_not_there_is_404(platform: Platform) -> None:
    nodes, known = await up(platform)
    off = replace(known[1], written_off_at=platform.clock.now())
    async with platform.store.writing() as tx:
        await platform.store.machines.save(tx, off)
    for node in (str(uuid4()), "web-1", off.id):
        assert (await platform.delete(f"{nodes}/{node}")).status_code == 404, node


@story
async def test_the_last_control_plane_stays(platform: Platform) -> None:
    nodes, known = await up(platform)
    answer = await platform.delete(f"{nodes}/{known[0].id}?force=true")
    assert answer.status_code == 412
    assert "delete the cluster instead" in answer.json()["message"]
    assert (await platform.delete(f"{nodes}/{known[1].id}?drainTimeout=-1")).status_code == 412


@story
async def test_a_cluster_that_is_being_deleted_is_not_changed(platform: Platform) -> None:
    nodes, known = await up(platform)
    await platform.delete(nodes.removesuffix("/nodes"))
    for answer in (
        await platform.post(nodes, a_node()),
        await platform.delete(f"{nodes}/{known[1].id}"),
        await platform.post(f"{nodes}:replace", {"all": True}),
    ):
        assert answer.status_code == 412
        assert "being deleted" in answer.json()["message"]


@story
async def test_an_update_is_all_or_nothing(platform: Platform) -> None:
    nodes, known = await up(platform)
    before = await wishes(platform, nodes)
    body = {"add": [a_node()], "delete": [{"id": known[1].id}, {"id": str(uuid4())}]}
    answer = await platform.post(f"{nodes}:update", body)
    assert answer.status_code == 400
    assert "not found" in violations(answer)["delete[1].id"]
    assert await wishes(platform, nodes) == before
    twice = {"delete": [{"id": known[1].id}, {"id": known[1].request}]}
    answer = await platform.post(f"{nodes}:update", twice)
    assert "named twice" in violations(answer)["delete[1].id"]
    body["delete"] = [{"id": known[1].id, "drain_timeout": 5}]
    items = (await platform.post(f"{nodes}:update", body)).json()["items"]
    assert [item["state"]["phase"] for item in items] == ["ready", "pending", "draining"]
    assert (await machine(platform, known[1])).drain_seconds == 5


@story
async def test_the_plan_of_a_change_shows_machines_and_cost_and_makes_nothing(
    platform: Platform,
) -> None:
    nodes, known = await up(platform)
    before = await wishes(platform, nodes)
    body = {"add": [a_node(shape="large")], "delete": [{"id": known[1].id}]}
    plan = (await platform.post(f"{nodes}:plan", body)).json()
    assert [one["instanceType"] for one in plan["add"]] == ["m5.xlarge"]
    assert [one["id"] for one in plan["delete"]] == [known[1].id]
    cost = {name: float(price["hourly"]) for name, price in plan["cost"].items()}
    # Out: 0.32 + a disk and an address; in: 0.64 + the same.
    assert cost["before"] == 2 * (0.32 + 0.003 + 0.005)
    assert cost["change"] == 0.32
    assert cost["after"] == cost["before"] + cost["change"]
    assert plan["violations"] == []
    assert await wishes(platform, nodes) == before
    assert (await machine(platform, known[1])).drain_seconds is None


@story
async def test_replacements_are_remembered_with_their_reason(platform: Platform) -> None:
    nodes, known = await up(platform, HA)
    failed = replace(known[3], replace_reason="old", replace_stopped="it never joined")
    async with platform.store.writing() as tx:
        await platform.store.machines.save(tx, failed)
    wish = {"nodes": [failed.id], "reason": "a new image"}
    assert (await platform.post(f"{nodes}:replace", wish)).status_code == 200
    now = await machine(platform, failed)
    assert (now.replace_reason, now.replace_stopped) == ("a new image", None)
    assert (await platform.post(f"{nodes}:replace", {"all": True})).status_code == 200
    assert all([(await machine(platform, each)).replace_reason for each in known])


@story
async def test_a_lone_control_plane_is_not_replaced(platform: Platform) -> None:
    nodes, known = await up(platform)
    answer = await platform.post(f"{nodes}:replace", {"nodes": [known[0].id]})
    assert answer.status_code == 412
    assert "the only control plane" in answer.json()["message"]
    assert (await platform.post(f"{nodes}:replace", {"all": True})).status_code == 200
    told = [await machine(platform, each) for each in known]
    assert [m.role for m in told if m.replace_reason] == [Role.WORKER]
    answer = await platform.post(f"{nodes}:replace", {"nodes": [str(uuid4())]})
    assert "not found" in violations(answer)["nodes[0]"]
