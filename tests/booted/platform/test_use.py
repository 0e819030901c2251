"""A basic cluster is created and used as people use it."""

import base64
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import yaml
from cryptography import x509
from demo.kubectl import NODE_PORT, Kubectl, KubectlError, read_page
from demo.site import Holding, Site, wait_until

pytestmark = pytest.mark.timeout(200)


def test_four_nodes_become_ready_with_dns_and_network(basic: Holding) -> None:
    kubectl = basic.kubectl()
    nodes = kubectl.json("get", "nodes")["items"]

    assert sum(_is_true(node, "Ready") for node in nodes) == 4
    assert {node["metadata"]["name"] for node in nodes} == {n["name"] for n in basic.nodes()}
    # The cluster is ready with the first replica of CoreDNS; the second follows by itself.
    assert any(_is_true(pod, "Ready") for pod in _dns(kubectl))
    wait_until(
        "both are ready", lambda: [_is_true(p, "Ready") for p in _dns(kubectl)] == [True] * 2, 60
    )


def _dns(kubectl: Kubectl) -> list[dict[str, Any]]:
    label = ("--namespace", "kube-system", "--selector", "k8s-app=kube-dns")
    pods: list[dict[str, Any]] = kubectl.json("get", "pods", *label)["items"]
    return pods


def _shows_the_page(address: str, proxy: str) -> bool:
    try:
        return "It works" in read_page(address, NODE_PORT, proxy, timeout=10)
    except OSError:
        return False


def test_kubectl_shows_them_through_the_reserved_address(basic: Holding) -> None:
    shown = basic.kubectl().run("get", "nodes")

    server = yaml.safe_load(basic.kubeconfig())["clusters"][0]["cluster"]["server"]
    assert server == f"https://{basic.now()['endpoint']}:6443"
    assert shown.count(" Ready ") == 4


def test_a_web_workload_answers_through_its_service(site: Site, basic: Holding) -> None:
    basic.kubectl().deploy_web()

    addresses = [node["network"]["publicIp"] for node in basic.nodes(role="worker")]
    assert len(addresses) == 3
    for address in addresses:
        # kube-proxy programs a node port a moment after the rollout.
        wait_until(f"a page at {address}", partial(_shows_the_page, address, site.proxy), 20)


def test_a_kubeconfig_ends_when_it_was_told_to(basic: Holding) -> None:
    user = yaml.safe_load(basic.kubeconfig(hours=2))["users"][0]["user"]
    certificate = x509.load_pem_x509_certificate(base64.b64decode(user["client-certificate-data"]))

    left = certificate.not_valid_after_utc - datetime.now(UTC)
    assert timedelta(hours=1, minutes=58) < left <= timedelta(hours=2)


def test_the_role_view_reads_pods_and_nodes_and_no_secret(basic: Holding) -> None:
    viewer = basic.kubectl("view")

    viewer.run("get", "pods", "--all-namespaces")
    viewer.run("get", "nodes")
    with pytest.raises(KubectlError, match="secrets is forbidden"):
        viewer.run("get", "secrets", "--namespace", "kube-system")
    with pytest.raises(KubectlError, match="forbidden"):
        viewer.run("delete", "deployment", "coredns", "--namespace", "kube-system")


def test_the_platform_has_no_gap_in_what_it_asks_of_the_cloud(site: Site, basic: Holding) -> None:
    assert basic.now()["status"] == "ready"
    assert site.control.get("/gaps")["gaps"] == []


def _is_true(thing: dict[str, object], kind: str) -> bool:
    status: dict[str, list[dict[str, str]]] = thing["status"]  # type: ignore[assignment]
    return any(c["type"] == kind and c["status"] == "True" for c in status["conditions"])
