"""Instructions: who gets which keys, and what kubeadm is told."""

import json
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from holdfast.bootstrap import addons, kubeadm
from holdfast.model.ids import ClusterId, MachineId, ProviderId, RequestId
from holdfast.model.machine import Machine
from holdfast.model.offering import CapacityType, Cloud, OfferingKey
from holdfast.model.resource import Role

PKI = {"ca.crt": "CA", "ca.key": "CAKEY", "etcd/ca.crt": "ECA", "etcd/ca.key": "EKEY"}


def a_machine(role: Role = Role.CONTROL_PLANE, **changes: Any) -> Machine:
    machine = Machine(
        id=MachineId("6f9619ff-8b86-4011-b42d-00c04fc964ff"),
        cluster=ClusterId("c"),
        request=RequestId("r"),
        name="shop-c-aws-6f96",
        role=role,
        offering=OfferingKey(
            Cloud.AWS, "eu-central-1", "eu-central-1a", "t3.large", CapacityType.ON_DEMAND
        ),
        image="ami-1",
        disk_gib=20,
        kubernetes_version="1.37.2",
        attempt=1,
        token="hf",
        nonce_hash="n",
        chosen_at=datetime(2026, 3, 1, tzinfo=UTC),
        provider_id=ProviderId("i-0abc"),
        private_ip="10.10.0.4",
    )
    return replace(machine, **changes)


def documents(instructions: dict[str, Any]) -> dict[str, Any]:
    return {document["kind"]: document for document in instructions["kubeadmConfig"]}


def arguments(registration: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in registration["kubeletExtraArgs"]}


def init() -> dict[str, Any]:
    return kubeadm.init_instructions(a_machine(), "198.18.0.9", PKI)


def join(role: Role) -> dict[str, Any]:
    backends = ["10.10.0.5:6443"]
    return kubeadm.join_instructions(a_machine(role), PKI, "DISCOVERY", backends)


def test_the_first_control_plane_makes_the_cluster() -> None:
    kinds = documents(init())
    assert list(kinds) == [
        "InitConfiguration",
        "ClusterConfiguration",
        "KubeletConfiguration",
        "KubeProxyConfiguration",
    ]
    cluster = kinds["ClusterConfiguration"]
    assert cluster["kubernetesVersion"] == "v1.37.2"
    assert cluster["controlPlaneEndpoint"] == "127.0.0.1:7443"
    assert cluster["networking"] == {"podSubnet": "10.217.0.0/16", "serviceSubnet": "10.96.0.0/12"}
    assert cluster["apiServer"] == {"certSANs": ["127.0.0.1", "198.18.0.9"]}
    assert cluster["encryptionAlgorithm"] == "ECDSA-P256"
    assert kinds["InitConfiguration"]["localAPIEndpoint"]["advertiseAddress"] == "10.10.0.4"
    assert init()["backends"] == ["10.10.0.4:6443"]


@pytest.mark.fault("F17", "P")
def test_no_bootstrap_token_exists_anywhere() -> None:
    assert "bootstrap-token" in init()["skipPhases"]
    for instructions in (init(), join(Role.CONTROL_PLANE), join(Role.WORKER)):
        text = json.dumps(instructions).lower()
        assert "bootstraptokens" not in text
        assert "tlsbootstraptoken" not in text


def test_keys_are_written_for_root_alone() -> None:
    modes = {file["path"]: file["mode"] for file in init()["files"]}
    assert modes["/etc/kubernetes/pki/ca.key"] == 0o600
    assert modes["/etc/kubernetes/pki/etcd/ca.key"] == 0o600
    assert modes["/etc/kubernetes/pki/ca.crt"] == 0o644


@pytest.mark.fault("F19", "P")
def test_a_worker_gets_its_discovery_file_and_no_key() -> None:
    instructions = join(Role.WORKER)
    assert [file["path"] for file in instructions["files"]] == ["/etc/kubernetes/discovery.conf"]
    assert instructions["files"][0]["mode"] == 0o600
    assert "KEY" not in json.dumps(instructions)
    assert "controlPlane" not in instructions["kubeadmConfig"][0]


def test_a_joining_control_plane_gets_all_keys() -> None:
    instructions = join(Role.CONTROL_PLANE)
    assert len(instructions["files"]) == len(PKI) + 1
    control_plane = instructions["kubeadmConfig"][0]["controlPlane"]
    assert control_plane["localAPIEndpoint"]["advertiseAddress"] == "10.10.0.4"
    assert instructions["backends"] == ["10.10.0.5:6443"]


def test_a_node_registers_with_its_identity() -> None:
    registration = join(Role.WORKER)["kubeadmConfig"][0]["nodeRegistration"]
    told = arguments(registration)
    assert registration["name"] == "shop-c-aws-6f96"
    assert told["provider-id"] == "aws:///eu-central-1a/i-0abc"
    assert told["node-ip"] == "10.10.0.4"
    labels = dict(pair.split("=") for pair in told["node-labels"].split(","))
    assert labels["node.holdfast.dev/machine"] == a_machine().id
    assert labels["topology.kubernetes.io/zone"] == "eu-central-1a"
    assert "scheduling.cast.ai/spot" not in labels


def test_a_spot_machine_says_so() -> None:
    machine = a_machine()
    spot = replace(machine.offering, capacity_type=CapacityType.SPOT)
    labels = kubeadm.node_labels(replace(machine, offering=spot))
    assert labels["scheduling.cast.ai/spot"] == "true"


def test_the_bootstrap_user_is_the_node_itself() -> None:
    user, groups = kubeadm.node_user(a_machine())
    assert user == "system:node:shop-c-aws-6f96"
    assert groups == ("system:nodes",)


def test_a_machine_without_an_address_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="shop-c-aws-6f96"):
        kubeadm.init_instructions(a_machine(private_ip=None), "198.18.0.9", PKI)


def test_the_repository_follows_the_minor_version_and_a_mirror() -> None:
    assert kubeadm.packages_url(a_machine()).endswith("/v1.37/deb/")
    mirrored = kubeadm.packages_url(a_machine(), "https://mirror.example/{minor}/")
    assert mirrored == "https://mirror.example/1.37/"


def test_flannel_reaches_the_api_by_the_forwarder() -> None:
    items = {item["kind"]: item for item in addons.flannel()["items"]}
    container = items["DaemonSet"]["spec"]["template"]["spec"]["containers"][0]
    environment = {one["name"]: one.get("value") for one in container["env"]}
    assert environment["KUBERNETES_SERVICE_HOST"] == "127.0.0.1"
    assert environment["KUBERNETES_SERVICE_PORT"] == "7443"
    assert json.loads(items["ConfigMap"]["data"]["net-conf.json"]) == {
        "Network": "10.217.0.0/16",
        "EnableNFTables": False,
        "Backend": {"Type": "vxlan"},
    }


def test_viewers_see_nodes_and_no_secrets() -> None:
    items = addons.rbac()["items"]
    role = next(i for i in items if i["metadata"]["name"] == "holdfast:view-nodes")
    assert "nodes" in role["rules"][0]["resources"]
    assert "secrets" not in json.dumps(items)
    bound = {i["metadata"]["name"]: i["roleRef"]["name"] for i in items if "roleRef" in i}
    assert bound["holdfast:viewers"] == "view"
    assert bound["holdfast:admins"] == "cluster-admin"


KUBEADM = shutil.which("kubeadm") or next(
    (str(path) for path in Path("~/.cache/holdfast/parts").expanduser().glob("*-1.37*/kubeadm")),
    None,
)


@pytest.mark.skipif(KUBEADM is None, reason="no kubeadm 1.37 on this machine")
@pytest.mark.parametrize("mode", ["init", "worker", "control plane"])
def test_kubeadm_itself_accepts_the_configuration(mode: str, tmp_path: Path) -> None:
    chosen = {
        "init": init(),
        "worker": join(Role.WORKER),
        "control plane": join(Role.CONTROL_PLANE),
    }[mode]
    discovery = tmp_path / "discovery.conf"
    discovery.write_text("kubeadm asks only whether the file exists")
    text = "\n---\n".join(json.dumps(document) for document in chosen["kubeadmConfig"])
    configuration = tmp_path / "kubeadm.yaml"
    configuration.write_text(text.replace(kubeadm.DISCOVERY_FILE, str(discovery)))
    done = subprocess.run(
        [str(KUBEADM), "config", "validate", "--config", configuration],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert "ok" in done.stdout
