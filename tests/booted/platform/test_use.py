"""A basic cluster is created and used as people use it."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from cryptography import x509
from demo.kubectl import NODE_PORT, KubectlError, read_page
from demo.site import Holding, Site

pytestmark = pytest.mark.timeout(200)


def test_four_nodes_become_ready_with_dns_and_network(basic: Holding) -> None:
    kubectl = basic.kubectl()
    nodes = kubectl.json("get", "nodes")["items"]
    pods = kubectl.json("get", "pods", "--namespace", "kube-system")["items"]

    assert sum(_is_true(node, "Ready") for node in nodes) == 4
    assert {node["metadata"]["name"] for node in nodes} == {n["name"] for n in basic.nodes()}
    dns = [pod for pod in pods if pod["metadata"]["labels"].get("k8s-app") == "kube-dns"]
    assert dns
    assert all(_is_true(pod, "Ready") for pod in dns)


def test_kubectl_shows_them_through_the_reserved_address(basic: Holding) -> None:
    shown = basic.kubectl().run("get", "nodes")

    server = yaml.safe_load(basic.kubeconfig())["clusters"][0]["cluster"]["server"]
    assert server == f"https://{basic.now()['endpoint']}:6443"
    assert shown.count(" Ready ") == 4


def test_a_web_workload_answers_through_its_service(site: Site, basic: Holding) -> None:
    basic.kubectl().deploy_web()

    pages = [
        read_page(node["network"]["publicIp"], NODE_PORT, site.proxy, timeout=10)
        for node in basic.nodes(role="worker")
    ]

    assert len(pages) == 3
    assert all("It works" in page for page in pages)


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
