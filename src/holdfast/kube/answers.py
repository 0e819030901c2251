"""From the API server's JSON to our words; pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from holdfast.model.workload import Node, Pod

Json = Mapping[str, Any]


def node(item: Json) -> Node:
    """A Node object."""
    status, metadata = item.get("status", {}), item["metadata"]
    ready = _condition(status.get("conditions") or (), "Ready")
    since = ready.get("lastTransitionTime")
    addresses = {a["type"]: a["address"] for a in status.get("addresses") or ()}
    return Node(
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        ready={"True": True, "False": False}.get(ready.get("status", "")),
        ready_since=datetime.fromisoformat(since) if since else None,
        unschedulable=bool(item.get("spec", {}).get("unschedulable")),
        provider_id=item.get("spec", {}).get("providerID"),
        internal_ip=addresses.get("InternalIP"),
        labels=tuple(sorted((metadata.get("labels") or {}).items())),
    )


def pod(item: Json) -> Pod:
    """A Pod object."""
    metadata = item["metadata"]
    owners = metadata.get("ownerReferences") or ()
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        node=item.get("spec", {}).get("nodeName"),
        phase=item.get("status", {}).get("phase", ""),
        is_daemon=any(owner.get("kind") == "DaemonSet" for owner in owners),
        is_mirror="kubernetes.io/config.mirror" in (metadata.get("annotations") or {}),
        is_leaving="deletionTimestamp" in metadata,
    )


def changed(event: Json) -> str:
    """The name of the node that an event of a watch is about; empty for an error that ends it."""
    name: str = event["object"]["metadata"].get("name", "")
    return name


def system_ready(deployments: Iterable[Json], daemon_sets: Iterable[Json]) -> bool:
    """CoreDNS has an available replica and every system DaemonSet runs wherever it should."""
    by_name = {item["metadata"]["name"]: item for item in deployments}
    dns = by_name.get("coredns")
    sets = list(daemon_sets)
    return (
        dns is not None
        and dns.get("status", {}).get("availableReplicas", 0) >= 1
        and any("flannel" in item["metadata"]["name"] for item in sets)
        and all(_complete(item.get("status", {})) for item in sets)
    )


def _complete(status: Json) -> bool:
    wanted: int = status.get("desiredNumberScheduled", 0)
    return wanted > 0 and status.get("numberReady", 0) >= wanted


def _condition(conditions: Iterable[Json], kind: str) -> Json:
    return next((c for c in conditions if c.get("type") == kind), {})
