"""POST cluster: what passes, what is refused, and that every mistake is named."""

from typing import Any

import pytest
from tests.api.platform import Platform, a_node, a_region, a_request, story, violations

from holdfast.model.status import ClusterPhase

CLUSTERS = "/v1/kubernetes/clusters"


@story
async def test_a18_create_answers_201_creating_with_region_object_and_pending_nodes(
    platform: Platform,
) -> None:
    made = await platform.cluster("web")
    assert made["status"] == "creating"
    assert made["region"] == {"name": "eu-central", "displayName": "Europe Central (Frankfurt)"}
    assert made["createdAt"].endswith("Z")
    assert [node["state"]["phase"] for node in made["nodes"]] == ["pending", "pending"]
    assert all(node["id"] and node["name"] and node["createdAt"] for node in made["nodes"])
    assert f"cluster:{made['id']}" in platform.woken


@story
async def test_q12_no_network_is_shown_when_nothing_was_chosen(platform: Platform) -> None:
    made = await platform.cluster("web")
    assert "network" not in made


@story
async def test_a28_ipsec_on_one_cloud_passes_and_shows_no_network(platform: Platform) -> None:
    made = await platform.cluster(
        "web", network={"privateWorkerNodes": False, "vpn": {"ipSec": {}}}
    )
    assert "network" not in made


@story
async def test_a26_a_chosen_range_is_shown_with_a_vpn_object(platform: Platform) -> None:
    made = await platform.cluster("web", network={"aws": {"vpcCidr": "10.50.0.0/16"}})
    assert made["network"]["aws"] == {"vpcCidr": "10.50.0.0/16"}
    assert made["network"]["vpn"] == {}
    assert made["network"]["privateWorkerNodes"] is False


@story
async def test_a22_addons_may_be_absent(platform: Platform) -> None:
    request = a_request("web", cloudCredentialsIDs=[await platform.credentials()])
    del request["addons"]
    answer = await platform.post(CLUSTERS, request)
    assert answer.status_code == 201


@story
async def test_a12_unknown_request_keys_are_ignored(platform: Platform) -> None:
    made = await platform.cluster("web", somethingElse={"deep": [1]})
    assert made["name"] == "web"


@pytest.mark.parametrize("name", ["", "a", "x" * 51, "we b", "wéb", "web_1", "web\n", "../etc"])
@story
async def test_a19_wrong_names_are_refused_naming_the_field(platform: Platform, name: str) -> None:
    request = a_request(name, cloudCredentialsIDs=[await platform.credentials()])
    answer = await platform.post(CLUSTERS, request)
    assert answer.status_code == 400
    assert "name" in violations(answer)


@pytest.mark.fault("F14", "P")
@story
async def test_a20_a_second_living_cluster_of_a_name_is_409_whatever_its_case(
    platform: Platform,
) -> None:
    made = await platform.cluster("web")
    request = a_request("WEB", cloudCredentialsIDs=made["cloudCredentialsIDs"])
    answer = await platform.post(CLUSTERS, request)
    assert answer.status_code == 409
    assert violations(answer) == {"name": "already taken"}
    await platform.delete(f"{CLUSTERS}/{made['id']}")
    assert (await platform.post(CLUSTERS, request)).status_code == 409
    now = platform.clock.now()
    await platform.record(made["id"], phase=ClusterPhase.DELETED, deleted_at=now)
    assert (await platform.post(CLUSTERS, request)).status_code == 201


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"region": "moon"}, "region", "eu-central"),
        ({"region": ""}, "region", "required"),
        ({"kubernetesVersion": "1.19.7"}, "kubernetesVersion", "1.37.2, 1.36.3"),
        ({"preset": "huge"}, "preset", "starter, basic, ha"),
        ({"nodes": []}, "nodes", "required"),
        ({"nodes": [a_node()]}, "nodes", "control plane"),
        ({"nodes": [a_node("master", "giant")]}, "nodes[0].shape", "giant"),
        ({"nodes": [a_node("master", "")]}, "nodes[0].shape", "instanceType"),
        (
            {"nodes": [a_node("master", instanceType="z9.huge")]},
            "nodes[0].instanceType",
            "z9.huge",
        ),
        ({"nodes": [a_node("king")]}, "nodes[0].role", "master"),
        ({"nodes": [a_node("master"), {**a_node(), "cloud": "gcp"}]}, "nodes[1].cloud", "gcp"),
        (
            {"nodes": [a_node("master", spotConfig={"isSpot": True, "price": "0.1"})]},
            "nodes[0].spotConfig.price",
            "bid",
        ),
        ({"network": {"aws": {"vpcCidr": "10.96.0.0/16"}}}, "network.aws.vpcCidr", "services"),
        ({"network": {"aws": {"vpcCidr": "10.217.0.0/20"}}}, "network.aws.vpcCidr", "pods"),
        ({"network": {"aws": {"vpcCidr": "10.4.0.0/16"}}}, "network.aws.vpcCidr", "WireGuard"),
        ({"network": {"aws": {"vpcCidr": "8.8.0.0/16"}}}, "network.aws.vpcCidr", "private"),
        ({"network": {"aws": {"vpcCidr": "10.50.0.1/16"}}}, "network.aws.vpcCidr", "10.50.0.1"),
        ({"network": {"aws": {"vpcCidr": "10.50.0.0/28"}}}, "network.aws.vpcCidr", "/28"),
        ({"network": {"aws": {"vpcCidr": "banana"}}}, "network.aws.vpcCidr", "banana"),
        ({"network": {"gcp": {"vpcCidr": "10.50.0.0/16"}}}, "network.gcp", "credentials"),
        ({"network": {"privateWorkerNodes": True}}, "network.privateWorkerNodes", "available"),
        ({"network": {"vpn": {"wireGuard": {}}}}, "network.vpn.wireGuard", "available"),
        ({"addons": {"keda": {"enabled": True}}}, "addons.keda", "available"),
        ({"tags": {"holdfast:cluster": "x"}}, "tags.'holdfast:cluster'", "holdfast:"),
        ({"tags": {"HoldFast:x": "x"}}, "tags.'HoldFast:x'", "holdfast:"),
        ({"tags": {"aws:x": "x"}}, "tags.'aws:x'", "aws:"),
        ({"tags": {"Name": "x"}}, "tags.'Name'", "name"),
        ({"tags": {"": "x"}}, "tags.''", "1 to 128"),
        ({"tags": {"k": "x" * 257}}, "tags.'k'", "256"),
        ({"tags": {"k\n": "x"}}, "tags.'k\\n'", "space"),
        ({"tags": {"k": "a\x00b"}}, "tags.'k'", "letters"),
        ({"tags": {f"k{n}": "x" for n in range(41)}}, "tags", "at most 40"),
        ({"cloudCredentialsIDs": []}, "cloudCredentialsIDs", "at least one"),
        ({"cloudCredentialsIDs": ["nope"]}, "cloudCredentialsIDs[0]", "nope"),
        ({"nodes": [a_node("master")] * 501}, "nodes", "at most 500"),
    ],
)
@story
async def test_a21_bad_input_is_400_naming_field_and_reason(
    platform: Platform, change: dict[str, Any], field: str, says: str
) -> None:
    request = a_request(cloudCredentialsIDs=[await platform.credentials()]) | change
    if "preset" in change:
        del request["nodes"]
    answer = await platform.post(CLUSTERS, request)
    assert answer.status_code == 400, answer.text
    found = violations(answer)
    assert field in found, found
    assert says in found[field]
    async with platform.store.reading() as tx:
        assert await platform.store.clusters.list(tx) == []


@story
async def test_f03_every_mistake_is_named_at_once(platform: Platform) -> None:
    request = a_request("", region="moon", tags={"holdfast:name": "x"}, cloudCredentialsIDs=[])
    found = violations(await platform.post(CLUSTERS, request))
    assert {"name", "region", "cloudCredentialsIDs", "tags.'holdfast:name'"} <= found.keys()


@story
async def test_two_credentials_of_one_cloud_are_refused(platform: Platform) -> None:
    both = [await platform.credentials("one"), await platform.credentials("two")]
    answer = await platform.post(CLUSTERS, a_request(cloudCredentialsIDs=both))
    assert "one for each cloud" in violations(answer)["cloudCredentialsIDs[1]"]


@story
async def test_a_quota_that_is_too_small_is_said_before_anything_is_made(
    platform: Platform,
) -> None:
    platform.accounts.region = a_region(vcpus=3)
    request = a_request(cloudCredentialsIDs=[await platform.credentials()])
    answer = await platform.post(CLUSTERS, request)
    assert answer.status_code == 400
    assert "allows 3 vCPU" in violations(answer)["nodes"]
    async with platform.store.reading() as tx:
        assert await platform.store.clusters.list(tx) == []


@story
async def test_q14_empty_instance_type_means_absent(platform: Platform) -> None:
    made = await platform.cluster("web", nodes=[a_node("master", "medium", instanceType="")])
    assert made["nodes"][0]["shape"] == "medium"
    assert made["nodes"][0]["instanceType"] == ""


@story
async def test_q15_a_shape_that_is_an_instance_type_passes(platform: Platform) -> None:
    made = await platform.cluster("web", nodes=[a_node("master", "m5.xlarge")])
    assert made["nodes"][0]["instanceType"] == "m5.xlarge"
    assert made["nodes"][0]["shape"] == "large"


@pytest.mark.parametrize(("preset", "count"), [("starter", 2), ("basic", 4), ("ha", 6)])
@story
async def test_presets_stand_in_place_of_nodes(platform: Platform, preset: str, count: int) -> None:
    made = await platform.cluster("web", preset=preset)
    assert len(made["nodes"]) == count


@story
async def test_preset_and_nodes_together_are_refused(platform: Platform) -> None:
    request = a_request(cloudCredentialsIDs=[await platform.credentials()]) | {"preset": "ha"}
    assert "not both" in violations(await platform.post(CLUSTERS, request))["preset"]


@pytest.mark.parametrize(
    ("given", "found"),
    [("1.36.3", "1.36.3"), ("v1.36", "1.36.3"), (None, "1.37.2"), ("", "1.37.2")],
)
@story
async def test_kubernetes_versions_are_resolved(
    platform: Platform, given: str | None, found: str
) -> None:
    made = await platform.cluster("web", kubernetesVersion=given)
    assert made["kubernetesVersion"] == found


@story
async def test_null_means_absent(platform: Platform) -> None:
    made = await platform.cluster("web", network=None, addons=None, tags=None, preset=None)
    assert made["status"] == "creating"


@story
async def test_tags_come_back(platform: Platform) -> None:
    made = await platform.cluster("web", tags={"team": "shop", "cost center": "a/b+c@d"})
    assert made["tags"] == {"team": "shop", "cost center": "a/b+c@d"}
