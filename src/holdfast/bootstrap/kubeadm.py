"""What a machine shall become: the files, the kubeadm configuration and the steps after it.

The instructions are handed to a machine at the moment it may join, over its authenticated
connection. No bootstrap token exists: the discovery file of a joining machine carries a client
certificate of minutes for its own node (user system:node:NAME), signed by the platform, which
kubeadm and the kubelet use as bootstrap credential. Kubernetes' node authorizer and NodeRestriction
let it ask for the certificate of that one node and for nothing else.

Source: kubeadm's v1beta4 API; the order of the steps and its reasons: docs/flow.md.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.bootstrap import addons
from holdfast.model import names
from holdfast.model.machine import Machine
from holdfast.model.offering import CapacityType
from holdfast.model.resource import Role
from holdfast.model.spec import POD_CIDR, SERVICE_CIDR

Document = dict[str, Any]

API_VERSION = "kubeadm.k8s.io/v1beta4"
API_PORT = 6443
FORWARDER = f"{addons.FORWARDER_HOST}:{addons.FORWARDER_PORT}"
PKI_DIRECTORY = "/etc/kubernetes/pki"
DISCOVERY_FILE = "/etc/kubernetes/discovery.conf"
MANIFESTS = "/etc/holdfast/manifests"
PACKAGES = "https://pkgs.k8s.io/core:/stable:/v{minor}/deb/"

_SECRET, _PUBLIC = 0o600, 0o644


def init_instructions(machine: Machine, endpoint: str, pki: Mapping[str, str]) -> Document:
    """For the first control plane.

    endpoint  the users' address of the API server, a name in its certificate
    pki       all eight files, by path below /etc/kubernetes/pki
    """
    address = _address(machine)
    manifests = {"rbac.json": addons.rbac(), "flannel.json": addons.flannel()}
    return {
        **_common(machine, [f"{address}:{API_PORT}"]),
        "mode": "init",
        "files": _pki_files(pki),
        "manifests": [
            {"path": f"{MANIFESTS}/{name}", "content": content}
            for name, content in manifests.items()
        ],
        "kubeadmConfig": [
            {
                "apiVersion": API_VERSION,
                "kind": "InitConfiguration",
                "localAPIEndpoint": {"advertiseAddress": address, "bindPort": API_PORT},
                "nodeRegistration": _registration(machine, address),
                "timeouts": _timeouts(),
            },
            _cluster(machine, endpoint),
            _kubelet(),
            _kube_proxy(),
        ],
        # CoreDNS comes after kube-proxy; tokens are not used, `addons.rbac` has the two bindings
        # that nodes need of that phase.
        "skipPhases": ["addon/coredns", "bootstrap-token", "show-join-command"],
    }


def join_instructions(
    machine: Machine,
    pki: Mapping[str, str],
    discovery: str,
    backends: Sequence[str],
) -> Document:
    """For every other machine. `discovery` is a kubeconfig with the machine's own certificate.

    pki       as for `init_instructions`; a worker gets nothing of it but what `discovery` has
    backends  API servers that answer now, "10.10.0.4:6443"
    """
    address = _address(machine)
    is_control_plane = machine.role is Role.CONTROL_PLANE
    configuration: Document = {
        "apiVersion": API_VERSION,
        "kind": "JoinConfiguration",
        "discovery": {"file": {"kubeConfigPath": DISCOVERY_FILE}},
        "nodeRegistration": _registration(machine, address),
        "timeouts": _timeouts(),
    }
    if is_control_plane:
        endpoint = {"advertiseAddress": address, "bindPort": API_PORT}
        configuration["controlPlane"] = {"localAPIEndpoint": endpoint}
    return {
        **_common(machine, backends),
        "mode": "join",
        "files": [
            *(_pki_files(pki) if is_control_plane else []),
            {"path": DISCOVERY_FILE, "mode": _SECRET, "content": discovery},
        ],
        "manifests": [],
        "kubeadmConfig": [configuration],
        "skipPhases": [],
    }


def node_user(machine: Machine) -> tuple[str, tuple[str, ...]]:
    """The Kubernetes user and groups of a machine's node, for its bootstrap certificate."""
    return f"system:node:{machine.name}", ("system:nodes",)


def node_labels(machine: Machine) -> dict[str, str]:
    """The labels that a node registers with."""
    offering = machine.offering
    labels = {
        names.LABEL_MACHINE: machine.id,
        names.LABEL_CLOUD: offering.cloud.value,
        "topology.kubernetes.io/region": offering.region,
        "topology.kubernetes.io/zone": offering.zone,
        "node.kubernetes.io/instance-type": offering.instance_type,
        "topology.cast.ai/csp": offering.cloud.value,
    }
    if offering.capacity_type is CapacityType.SPOT:
        labels["scheduling.cast.ai/spot"] = "true"
    return labels


def packages_url(machine: Machine, packages: str = PACKAGES) -> str:
    """The apt repository of a machine's Kubernetes, for machines without a prepared image.

    packages  URL in which "{minor}" stands for the minor version; a mirror's may differ
    """
    minor = ".".join(machine.kubernetes_version.removeprefix("v").split(".")[:2])
    return packages.format(minor=minor)


def _common(machine: Machine, backends: Sequence[str]) -> Document:
    return {
        "role": machine.role.value,
        "hostname": machine.name,
        "kubernetesVersion": machine.kubernetes_version.removeprefix("v"),
        "backends": list(backends),
    }


def _registration(machine: Machine, address: str) -> Document:
    labels = ",".join(f"{key}={value}" for key, value in sorted(node_labels(machine).items()))
    arguments = {"node-ip": address, "node-labels": labels}
    if machine.provider_id is not None:
        arguments["provider-id"] = f"aws:///{machine.offering.zone}/{machine.provider_id}"
    registration: Document = {
        "name": machine.name,
        "imagePullPolicy": "IfNotPresent",
        "ignorePreflightErrors": [],
        "kubeletExtraArgs": [{"name": n, "value": v} for n, v in arguments.items()],
    }
    if machine.role is Role.WORKER:
        registration["taints"] = []
    return registration


def _cluster(machine: Machine, endpoint: str) -> Document:
    return {
        "apiVersion": API_VERSION,
        "kind": "ClusterConfiguration",
        "kubernetesVersion": f"v{machine.kubernetes_version.removeprefix('v')}",
        "controlPlaneEndpoint": FORWARDER,
        "encryptionAlgorithm": "ECDSA-P256",
        "networking": {"podSubnet": str(POD_CIDR), "serviceSubnet": str(SERVICE_CIDR)},
        "apiServer": {"certSANs": [addons.FORWARDER_HOST, endpoint]},
    }


def _kubelet() -> Document:
    """Cluster-wide; what differs per image comes by its kubelet drop-in directory."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": "systemd",
        "rotateCertificates": True,
    }


def _kube_proxy() -> Document:
    # nf_conntrack_max belongs to the host where machines are containers; the kernel's own value
    # is large enough elsewhere.
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "conntrack": {"maxPerCore": 0, "min": 0},
    }


def _timeouts() -> Document:
    return {"discovery": "2m0s", "tlsBootstrap": "2m0s", "kubernetesAPICall": "1m0s"}


def _pki_files(pki: Mapping[str, str]) -> list[Document]:
    return [
        {
            "path": f"{PKI_DIRECTORY}/{name}",
            "mode": _SECRET if name.endswith(".key") else _PUBLIC,
            "content": content,
        }
        for name, content in sorted(pki.items())
    ]


def _address(machine: Machine) -> str:
    if machine.private_ip is None:
        raise ValueError(f"machine {machine.name} has no private address yet")
    return machine.private_ip
