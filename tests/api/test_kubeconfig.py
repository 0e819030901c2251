"""The kubeconfig: not before the cluster can be used, then as the published clients need it."""

import asyncio
import base64
from datetime import timedelta
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID
from tests.api.platform import AT, Platform, a_node, a_platform, story

from holdfast.identity import pki
from holdfast.model.ids import ClusterId
from holdfast.model.status import ClusterPhase

CLUSTERS = "/v1/kubernetes/clusters"


async def usable(platform: Platform, name: str = "Web-One") -> tuple[str, str]:
    """Id and kubeconfig path of a cluster that is up."""
    made = await platform.cluster(name, nodes=[a_node("master")])
    await platform.machines(made["id"])
    async with platform.store.writing() as tx:
        authorities = pki.new_cluster_pki(AT).to_json()
        await platform.store.secrets.put(tx, ClusterId(made["id"]), "pki", authorities)
    await platform.record(made["id"], phase=ClusterPhase.READY, endpoint="198.18.0.9")
    return made["id"], f"{CLUSTERS}/{made['id']}/kubeconfig"


def _certificate(config: dict[str, Any]) -> x509.Certificate:
    data = config["users"][0]["user"]["client-certificate-data"]
    return x509.load_pem_x509_certificate(base64.b64decode(data))


@story
async def test_a48_it_is_404_before_readiness_and_after_the_delete(platform: Platform) -> None:
    made = await platform.cluster("web")
    early = await platform.get(f"{CLUSTERS}/{made['id']}/kubeconfig")
    assert early.status_code == 404
    assert "creating" in early.json()["message"]
    identity, path = await usable(platform)
    await platform.record(identity, phase=ClusterPhase.CREATING)
    assert (await platform.get(path)).status_code == 404
    await platform.record(identity, phase=ClusterPhase.WARNING)
    assert (await platform.get(path)).status_code == 200
    await platform.delete(f"{CLUSTERS}/{identity}")
    assert (await platform.get(path)).status_code == 404


@story
async def test_q26_q27_one_cluster_context_and_user_all_of_the_one_name(
    platform: Platform,
) -> None:
    identity, path = await usable(platform, "Web-One")
    answer = await platform.get(path)
    assert answer.headers["content-type"].startswith("application/yaml")
    config = yaml.safe_load(answer.text)
    name = f"Web-One-{identity[:8]}"
    assert [one["name"] for one in config["clusters"]] == [name]
    assert [one["name"] for one in config["users"]] == [name]
    (context,) = config["contexts"]
    assert context == {"name": name, "context": {"cluster": name, "user": name}}
    assert config["current-context"] == name


@story
async def test_q28_server_authority_and_client_certificate_are_there(platform: Platform) -> None:
    _, path = await usable(platform)
    config = yaml.safe_load((await platform.get(path)).text)
    cluster = config["clusters"][0]["cluster"]
    assert cluster["server"] == "https://198.18.0.9:6443"
    assert b"CERTIFICATE" in base64.b64decode(cluster["certificate-authority-data"])
    assert b"PRIVATE KEY" in base64.b64decode(config["users"][0]["user"]["client-key-data"])
    assert "proxy-url" not in cluster


def test_an_egress_proxy_is_named() -> None:
    async def play() -> None:
        async with a_platform(egress_proxy="http://127.0.0.1:3128") as platform:
            _, path = await usable(platform)
            config = yaml.safe_load((await platform.get(path)).text)
            assert config["clusters"][0]["cluster"]["proxy-url"] == "http://127.0.0.1:3128"

    asyncio.run(play())


@pytest.mark.parametrize(
    ("query", "group", "hours"),
    [
        ({}, "holdfast:admins", 720),
        ({"role": "view", "hours": "2"}, "holdfast:viewers", 2),
        ({"role": "admin", "hours": "8760"}, "holdfast:admins", 8760),
    ],
)
@story
async def test_role_and_end_are_in_the_certificate(
    platform: Platform, query: dict[str, str], group: str, hours: int
) -> None:
    _, path = await usable(platform)
    certificate = _certificate(yaml.safe_load((await platform.get(path, params=query)).text))
    groups = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert [one.value for one in groups] == [group]
    end = platform.clock.now().replace(microsecond=0) + timedelta(hours=hours)
    assert abs(certificate.not_valid_after_utc - end) <= timedelta(seconds=1)


@pytest.mark.parametrize("query", [{"role": "root"}, {"hours": "0"}, {"hours": "8761"}])
@story
async def test_other_roles_and_times_are_400(platform: Platform, query: dict[str, str]) -> None:
    _, path = await usable(platform)
    assert (await platform.get(path, params=query)).status_code == 400
