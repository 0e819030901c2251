"""What a machine is told to become: by the planner's order, with the cluster's keys."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from holdfast.api.routes import call_back_effects as effects
from holdfast.bootstrap import kubeadm
from holdfast.identity import kubeconfig
from holdfast.identity.pki import ClusterPki
from holdfast.model.cluster import Cluster
from holdfast.model.machine import Machine
from holdfast.planner import control_plane
from holdfast.wire.callback import Contacted

PKI = "pki"  # the name of the cluster's keys among its secrets
BOOTSTRAP_LIFE = timedelta(minutes=10)  # kubeadm and kubelet are done with it within seconds


def contacted(machine: Machine, order_key: str) -> Contacted:
    """The answer to a first contact."""
    return Contacted(
        cluster_id=machine.cluster,
        hostname=machine.name,
        role=machine.role.value,
        kubernetes_version=machine.kubernetes_version.removeprefix("v"),
        packages=kubeadm.packages_url(machine),
        order_key=order_key,
    )


def answer(
    machine: Machine,
    neighbours: Sequence[Machine],
    cluster: Cluster,
    keys: bytes,
    now: datetime,
) -> Mapping[str, Any]:
    """The instructions of a machine that may join now; its bootstrap certificate is made here."""
    if cluster.endpoint is None:
        return effects.wait("the cluster's address is not reserved yet")
    pki = ClusterPki.from_json(keys)
    if control_plane.initialises(neighbours):
        instructions = kubeadm.init_instructions(machine, cluster.endpoint, pki.files)
    else:
        backends = effects.backends(neighbours)
        discovery = _discovery(machine, pki, now)
        instructions = kubeadm.join_instructions(machine, pki.files, discovery, backends)
    return {"join": True, "instructions": instructions}


def _discovery(machine: Machine, pki: ClusterPki, now: datetime) -> str:
    """A kubeconfig for this machine's node alone, over its own forwarder, for minutes."""
    user, groups = kubeadm.node_user(machine)
    return kubeconfig.mint(
        pki,
        cluster_name_context="kubernetes",
        server_url=f"https://{kubeadm.FORWARDER}",
        proxy_url=None,
        user=user,
        groups=groups,
        now=now,
        valid_for=BOOTSTRAP_LIFE,
    )
