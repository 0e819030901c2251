"""Kills the control plane that holds the users' address of an ha cluster, and measures."""

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.kubectl import Kubectl, KubectlError
from demo.site import Holding, Site, wait_until

PROBE = (Path(__file__).parent / "api_probe.py").read_text()
RESULT, STOP = "/run/api-probe.json", "/run/api-probe.stop"
MEMBERS = (
    "etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt "
    "--cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key "
    "member list --write-out=json"
)


@dataclass(frozen=True, slots=True)
class Loss:
    """What became of it. Seconds count from the kill; `probe` has api_probe's counts."""

    victim: dict[str, Any]
    noticed: float
    answers_again: float
    healed: float
    probe: dict[str, float]


def lose_control_plane(cluster: Holding, limit: float) -> Loss:
    """Kill the holder of the users' address; wait until the cluster is whole. TimeoutError."""
    site = cluster.site
    cluster.wait_settled()
    endpoint = cluster.now()["endpoint"]
    masters = cluster.nodes(role="master", phase="ready")
    victim = next((n for n in masters if n["network"]["publicIp"] == endpoint), masters[0])
    witness = cluster.nodes(role="worker", phase="ready")[0]
    users = cluster.kubectl()
    before = cluster.last_event()
    _start_probe(site, witness)
    began = time.monotonic()
    site.control.fault("machine-kill", target=victim["instanceId"])
    again = wait_until("the user's kubeconfig answers again", lambda: _answers(users), limit)
    cluster.wait("it is told", lambda: cluster.events("MachineLost", victim["name"], before), limit)
    noticed = time.monotonic() - began
    cluster.wait("its member is out", lambda: cluster.events("OrderDone", after=before), limit)
    cluster.wait_whole(limit)
    healed = time.monotonic() - began
    return Loss(victim, noticed, again, healed, _stop_probe(site, witness))


def etcd_members(site: Site, control_plane: dict[str, Any]) -> list[dict[str, Any]]:
    """The members as a living control plane lists them."""
    code, output = site.execute(control_plane["instanceId"], "sh", "-c", MEMBERS)
    if code:
        raise RuntimeError(f"etcdctl on {control_plane['name']}: {output}")
    members: list[dict[str, Any]] = json.loads(output[output.index("{") :])["members"]
    return members


def _answers(kubectl: Kubectl) -> bool:
    try:
        kubectl.run("get", "--raw", "/readyz", "--request-timeout=2s", timeout=5)
        kubectl.run("get", "nodes", "--request-timeout=2s", timeout=5)
    except (KubectlError, subprocess.TimeoutExpired):
        return False
    return True


def _start_probe(site: Site, node: dict[str, Any]) -> None:
    script = f'rm -f {STOP} {RESULT}; python3 -c "$0" {node["name"]} {RESULT} {STOP} '
    script += "</dev/null >/dev/null 2>&1 &"
    site.execute(node["instanceId"], "sh", "-c", script, PROBE)


def _stop_probe(site: Site, node: dict[str, Any]) -> dict[str, float]:
    machine = node["instanceId"]
    site.execute(machine, "touch", STOP)
    wait_until("the probe ends", lambda: site.execute(machine, "test", "-e", RESULT)[0] == 0, 40)
    counts: dict[str, float] = json.loads(site.execute(machine, "cat", RESULT)[1])
    return counts
