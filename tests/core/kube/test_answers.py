"""From the API server's JSON to our words."""

from datetime import UTC, datetime
from typing import Any

import pytest

from holdfast.kube.answers import changed, node, pod, system_ready


def a_node(**status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "web-1", "uid": "u-1", "labels": {"b": "2", "a": "1"}},
        "spec": {"unschedulable": True, "providerID": "aws:///eu-central-1a/i-1"},
        "status": {
            "conditions": [
                {"type": "MemoryPressure", "status": "False"},
                {"type": "Ready", "status": "True", "lastTransitionTime": "2026-03-01T12:00:00Z"},
            ],
            "addresses": [
                {"type": "Hostname", "address": "web-1"},
                {"type": "InternalIP", "address": "10.10.0.4"},
            ],
            **status,
        },
    }


def test_a_node() -> None:
    found = node(a_node())
    assert (found.name, found.uid, found.ready, found.unschedulable) == ("web-1", "u-1", True, True)
    assert found.ready_since == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert found.internal_ip == "10.10.0.4"
    assert found.provider_id == "aws:///eu-central-1a/i-1"
    assert found.labels == (("a", "1"), ("b", "2"))


@pytest.mark.parametrize(("said", "ready"), [("True", True), ("False", False), ("Unknown", None)])
def test_readiness_has_three_values(said: str, ready: bool | None) -> None:
    conditions = [{"type": "Ready", "status": said}]
    assert node(a_node(conditions=conditions)).ready is ready


@pytest.mark.parametrize("status", [{}, {"conditions": None, "addresses": None}])
def test_a_node_that_has_just_registered_says_little(status: dict[str, Any]) -> None:
    found = node({"metadata": {"name": "web-1", "labels": None}, "status": status})
    assert (found.ready, found.ready_since, found.internal_ip) == (None, None, None)
    assert (found.unschedulable, found.provider_id, found.labels) == (False, None, ())


PODS = [
    ({}, (False, False)),
    ({"ownerReferences": [{"kind": "ReplicaSet"}]}, (False, False)),
    ({"ownerReferences": [{"kind": "DaemonSet"}]}, (True, False)),
    ({"annotations": {"kubernetes.io/config.mirror": "x"}}, (False, True)),
]


@pytest.mark.parametrize(("metadata", "expected"), PODS)
def test_a_pod(metadata: dict[str, Any], expected: tuple[bool, bool]) -> None:
    item = {
        "metadata": {"namespace": "shop", "name": "web", **metadata},
        "spec": {"nodeName": "web-1"},
        "status": {"phase": "Running"},
    }
    found = pod(item)
    assert (found.namespace, found.name, found.node, found.phase) == (
        "shop",
        "web",
        "web-1",
        "Running",
    )
    assert (found.is_daemon, found.is_mirror) == expected


def dns(available: int | None) -> dict[str, Any]:
    status = {} if available is None else {"availableReplicas": available}
    return {"metadata": {"name": "coredns"}, "status": status}


def daemons(name: str, wanted: int, ready: int) -> dict[str, Any]:
    status = {"desiredNumberScheduled": wanted, "numberReady": ready}
    return {"metadata": {"name": name}, "status": status}


FLANNEL, PROXY = daemons("kube-flannel-ds", 3, 3), daemons("kube-proxy", 3, 3)
SYSTEMS = [
    ("all is there", [dns(1)], [FLANNEL, PROXY], True),
    ("one replica of two", [dns(1)], [FLANNEL], True),
    ("no DNS yet", [], [FLANNEL, PROXY], False),
    ("DNS has no replica", [dns(None)], [FLANNEL, PROXY], False),
    ("no pod network", [dns(2)], [PROXY], False),
    ("the pod network lacks on a node", [dns(2)], [daemons("kube-flannel-ds", 3, 2), PROXY], False),
    ("kube-proxy lacks on a node", [dns(2)], [FLANNEL, daemons("kube-proxy", 3, 2)], False),
    ("not scheduled yet", [dns(2)], [daemons("kube-flannel-ds", 0, 0)], False),
]


@pytest.mark.parametrize("case", SYSTEMS, ids=[c[0] for c in SYSTEMS])
def test_the_system_is_ready(case: tuple[str, list[Any], list[Any], bool]) -> None:
    _, deployments, daemon_sets, expected = case
    assert system_ready(deployments, daemon_sets) is expected


def test_an_event_of_a_watch_names_its_node() -> None:
    assert changed({"type": "MODIFIED", "object": a_node()}) == "web-1"
    assert changed({"type": "ERROR", "object": {"kind": "Status", "metadata": {}}}) == ""
