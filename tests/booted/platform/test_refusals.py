"""What an account can't or may not do is said before anything is made, or routed around."""

import pytest
from demo.site import Holding, Site

from holdfast.client import calls
from holdfast.client.errors import Refused

pytestmark = pytest.mark.timeout(240)

ON_DEMAND = "L-1216C47A"  # vCPUs of running on-demand machines
DRY_ZONE = "eu-central-1a"


def test_a_wrong_key_is_refused_and_not_kept(own_site: Site) -> None:
    wrong = {**own_site.keys, "secretAccessKey": "x" * 40}

    with pytest.raises(Refused) as refusal:
        own_site.client.json(calls.add_credentials("wrong", "aws", wrong))

    assert refusal.value.status == 400
    assert refusal.value.violations[0].field == "credentials"
    assert "SignatureDoesNotMatch" in refusal.value.violations[0].description
    assert wrong["secretAccessKey"] not in str(refusal.value)
    assert own_site.client.json(calls.list_credentials())["items"] == []


def test_a_key_that_ended_is_refused(own_site: Site) -> None:
    fault = own_site.control.fault("key-revoked", key=own_site.keys["accessKeyId"])
    try:
        with pytest.raises(Refused, match=r"InvalidClientTokenId|AuthFailure"):
            own_site.client.json(calls.add_credentials("ended", "aws", own_site.keys))
    finally:
        own_site.control.delete(f"/faults/{fault}")


def test_a_lacking_permission_is_named(own_site: Site) -> None:
    fault = own_site.control.fault("permission", action="ec2:RunInstances")
    try:
        with pytest.raises(Refused) as refusal:
            own_site.client.json(calls.add_credentials("lacking", "aws", own_site.keys))
    finally:
        own_site.control.delete(f"/faults/{fault}")

    assert "ec2:RunInstances" in refusal.value.violations[0].description


@pytest.mark.fault("F24", "B")
def test_a_quota_that_is_too_small_is_said_before_anything_is_made(own_site: Site) -> None:
    fault = own_site.control.fault("quota", code=ON_DEMAND, value=3)
    try:
        poor = own_site.client.json(calls.add_credentials("poor", "aws", own_site.keys))["id"]
        request = own_site.request("toobig", preset="basic", cloudCredentialsIDs=[poor])
        before = _calls(own_site)
        with pytest.raises(Refused) as refusal:
            own_site.client.json(calls.create_cluster(request))
    finally:
        own_site.control.delete(f"/faults/{fault}")

    said = [violation.description for violation in refusal.value.violations]
    assert any(ON_DEMAND in text and "allows 3" in text for text in said), said
    assert _calls(own_site) == before
    assert own_site.client.json(calls.list_clusters())["items"] == []
    own_site.client.call(calls.remove_credentials(poor))


@pytest.fixture(scope="module")
def starter(own_site: Site) -> Holding:
    """A cluster that is made while one zone has no machines left."""
    own_site.control.fault("capacity", zone=DRY_ZONE)
    return own_site.create("elsewhere", preset="starter")


@pytest.mark.fault("F22", "B")
def test_a_zone_without_capacity_is_left_for_another(starter: Holding) -> None:
    starter.wait_whole(150)

    assert DRY_ZONE not in {node["zone"] for node in starter.nodes()}
    told = starter.events("CapacityUnavailable")
    assert told
    assert "InsufficientInstanceCapacity" in told[0]["message"]
    prices = [float(node["instancePrice"]) for node in starter.nodes()]
    assert max(prices) < 0.1, "another zone of the same type, not a dearer type of the same zone"


def test_a_key_that_ends_later_stops_nothing_that_runs(own_site: Site, starter: Holding) -> None:
    starter.wait_whole(150)
    before, machines = starter.last_event(), {node["id"] for node in starter.nodes()}
    fault = own_site.control.fault("key-revoked", key=own_site.keys["accessKeyId"])
    starter.reconcile()
    starter.wait("the rejected key is said", lambda: not _valid(starter), 30)
    nodes = starter.kubectl().json("get", "nodes")["items"]
    own_site.control.delete(f"/faults/{fault}")
    starter.wait("the key is good again", lambda: _valid(starter), 60)
    starter.wait_whole(60)

    assert len(nodes) == 2
    assert {node["id"] for node in starter.nodes()} == machines
    assert not starter.events("MachineLost", after=before)
    assert not starter.events("Delete", after=before)


def test_nothing_is_left_of_it(starter: Holding) -> None:
    starter.delete()

    assert starter.truth() == []


def _valid(cluster: Holding) -> bool:
    return bool(cluster.conditions()["CredentialsValid"]["status"])


def _calls(site: Site) -> list[str]:
    return [call["action"] for call in site.control.get("/calls?limit=1000")["calls"]]
