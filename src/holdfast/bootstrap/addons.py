"""Manifests that the first control plane applies: the pod network and the platform's roles.

Sources: flannel's own kube-flannel.yml (v0.26), and `docs/decisions` for what differs from it:
no CNI plug-in is installed, because containerd renders the bridge configuration itself.
"""

from typing import Any

from holdfast.model.spec import POD_CIDR

FLANNEL_IMAGE = "docker.io/flannel/flannel:v0.26.7"
FORWARDER_HOST, FORWARDER_PORT = "127.0.0.1", "7443"

VIEWERS = "holdfast:viewers"
ADMINS = "holdfast:admins"

Manifest = dict[str, Any]

_NAMESPACE = "kube-flannel"
_NAME = "kube-flannel"
_LABELS = {"app": "flannel"}


def flannel(image: str = FLANNEL_IMAGE) -> Manifest:
    """The pod network as one List: VXLAN, subnets from the nodes' PodCIDR.

    It talks to the API by the node's forwarder: the service address does not answer before
    kube-proxy has programmed the node, and a client that dials it too early hangs for 30 s.
    """
    return _list(
        [
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {
                    "name": _NAMESPACE,
                    "labels": {"pod-security.kubernetes.io/enforce": "privileged"},
                },
            },
            {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": "flannel", "namespace": _NAMESPACE},
            },
            _cluster_role(
                "flannel",
                [
                    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
                    {
                        "apiGroups": [""],
                        "resources": ["nodes"],
                        "verbs": ["get", "list", "watch"],
                    },
                    {"apiGroups": [""], "resources": ["nodes/status"], "verbs": ["patch"]},
                ],
            ),
            _cluster_binding(
                "flannel",
                "flannel",
                {"kind": "ServiceAccount", "name": "flannel", "namespace": _NAMESPACE},
            ),
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "kube-flannel-cfg", "namespace": _NAMESPACE},
                "data": {"net-conf.json": _net_conf()},
            },
            _daemon_set(image),
        ]
    )


def rbac() -> Manifest:
    """Who may do what, as one List.

    The groups of the kubeconfigs that the platform mints: admins may do everything; viewers read
    what `view` reads, plus the nodes, which it leaves out; never secrets. And the two bindings of
    kubeadm's skipped bootstrap-token phase that are not about tokens, under kubeadm's names: nodes
    renew their own certificate, the API server reaches the kubelets.
    """
    nodes = {
        "apiGroups": [""],
        "resources": ["nodes", "persistentvolumes"],
        "verbs": ["get", "list", "watch"],
    }
    metrics = {"apiGroups": ["metrics.k8s.io"], "resources": ["*"], "verbs": ["get", "list"]}
    return _list(
        [
            _cluster_role("holdfast:view-nodes", [nodes, metrics]),
            _cluster_binding("holdfast:view-nodes", "holdfast:view-nodes", _group(VIEWERS)),
            _cluster_binding("holdfast:viewers", "view", _group(VIEWERS)),
            _cluster_binding("holdfast:admins", "cluster-admin", _group(ADMINS)),
            _cluster_binding(
                "kubeadm:node-autoapprove-certificate-rotation",
                "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
                _group("system:nodes"),
            ),
            _cluster_binding(
                "kubeadm:apiserver-kubelet-client",
                "system:kubelet-api-admin",
                {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "User",
                    "name": "kube-apiserver-kubelet-client",
                },
            ),
        ]
    )


def _net_conf() -> str:
    return f'{{"Network": "{POD_CIDR}", "EnableNFTables": false, "Backend": {{"Type": "vxlan"}}}}'


def _daemon_set(image: str) -> Manifest:
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": _NAME, "namespace": _NAMESPACE, "labels": _LABELS},
        "spec": {
            "selector": {"matchLabels": _LABELS},
            "template": {"metadata": {"labels": _LABELS}, "spec": _pod(image)},
        },
    }


def _pod(image: str) -> Manifest:
    return {
        "hostNetwork": True,
        "priorityClassName": "system-node-critical",
        "serviceAccountName": "flannel",
        "tolerations": [{"operator": "Exists", "effect": "NoSchedule"}],
        "containers": [
            {
                "name": "kube-flannel",
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                "command": ["/opt/bin/flanneld"],
                "args": ["--ip-masq", "--kube-subnet-mgr"],
                "env": _environment(),
                "resources": {"requests": {"cpu": "100m", "memory": "50Mi"}},
                "securityContext": {
                    "privileged": False,
                    "capabilities": {"add": ["NET_ADMIN", "NET_RAW"]},
                },
                "volumeMounts": [
                    {"name": "run", "mountPath": "/run/flannel"},
                    {"name": "config", "mountPath": "/etc/kube-flannel/"},
                    {"name": "xtables-lock", "mountPath": "/run/xtables.lock"},
                ],
            }
        ],
        "volumes": [
            {"name": "run", "hostPath": {"path": "/run/flannel", "type": "DirectoryOrCreate"}},
            {"name": "config", "configMap": {"name": "kube-flannel-cfg"}},
            {
                "name": "xtables-lock",
                "hostPath": {"path": "/run/xtables.lock", "type": "FileOrCreate"},
            },
        ],
    }


def _environment() -> list[Manifest]:
    return [
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "EVENT_QUEUE_DEPTH", "value": "5000"},
        {"name": "KUBERNETES_SERVICE_HOST", "value": FORWARDER_HOST},
        {"name": "KUBERNETES_SERVICE_PORT", "value": FORWARDER_PORT},
    ]


def _cluster_role(name: str, rules: list[Manifest]) -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": rules,
    }


def _cluster_binding(name: str, role: str, subject: Manifest) -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": role,
        },
        "subjects": [subject],
    }


def _group(name: str) -> Manifest:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": name}


def _list(items: list[Manifest]) -> Manifest:
    return {"apiVersion": "v1", "kind": "List", "items": items}
