"""An ha cluster loses a control plane hard: the API answers throughout, the loss is healed."""

import pytest
from demo.loss import Loss, etcd_members, lose_control_plane
from demo.site import Holding, Site

pytestmark = pytest.mark.timeout(500)

VERSION = "1.36.3"
LIMIT = 150.0


@pytest.fixture(scope="module")
def ha(site: Site) -> Holding:
    return site.create("ha", preset="ha", kubernetesVersion=VERSION)


@pytest.fixture(scope="module")
def loss(ha: Holding) -> Loss:
    """The holder of the users' address is killed, once for all tests."""
    ha.wait_whole(300)
    return lose_control_plane(ha, LIMIT)


def test_three_control_planes_and_three_workers_run_the_older_version(ha: Holding) -> None:
    ha.wait_whole(300)

    nodes = ha.kubectl().json("get", "nodes")["items"]
    assert len(nodes) == 6
    assert {node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes} == {f"v{VERSION}"}
    assert len(ha.nodes(role="master")) == 3
    assert len({node["zone"] for node in ha.nodes(role="master")}) == 3


def test_the_api_answers_throughout_through_a_nodes_forwarder(loss: Loss) -> None:
    assert loss.probe["requests"] > 30
    assert loss.probe["failed"] == 0, loss.probe


def test_the_users_kubeconfig_answers_again(loss: Loss) -> None:
    assert loss.answers_again <= 25


def test_a_replacement_is_joined_and_ready(ha: Holding, loss: Loss) -> None:
    assert loss.healed <= 60
    ready = ha.nodes(role="master", phase="ready")
    assert len(ready) == 3
    assert loss.victim["id"] not in {node["id"] for node in ready}


def test_the_dead_member_is_out_of_etcd(site: Site, ha: Holding, loss: Loss) -> None:
    ready = ha.nodes(role="master", phase="ready")

    members = etcd_members(site, ready[0])

    assert {member["name"] for member in members} == {node["name"] for node in ready}
    assert not [member for member in members if member.get("isLearner")]


def test_nothing_is_left_of_it(ha: Holding, loss: Loss) -> None:
    assert loss.victim
    ha.delete()

    assert ha.truth() == []
