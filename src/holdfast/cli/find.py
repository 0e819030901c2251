"""Finds what a person means by a name or an id."""

import re
from typing import Any

from holdfast.cli.exits import Missing, Usage
from holdfast.client import calls
from holdfast.client.sync import Client

UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def cluster(client: Client, text: str) -> dict[str, Any]:
    """The cluster of that id or name, names without regard to case. Raises Missing."""
    if UUID.fullmatch(text):
        found: dict[str, Any] = client.json(calls.get_cluster(text.lower()))
        return found
    return _named(client.json(calls.list_clusters())["items"], text, "cluster")


def credentials(client: Client, text: str) -> dict[str, Any]:
    """The credentials of that id or name. Raises Missing."""
    items = client.json(calls.list_credentials())["items"]
    if UUID.fullmatch(text):
        return _one([i for i in items if i["id"] == text.lower()], text, "credentials")
    return _named(items, text, "credentials")


def machine(client: Client, cluster_id: str, text: str) -> dict[str, Any]:
    """The machine of that id, name or end of a name ("084c"). Raises Missing, Usage."""
    items = client.json(calls.list_nodes(cluster_id))["items"]
    if UUID.fullmatch(text):
        return _one([i for i in items if i["id"] == text.lower()], text, "machine")
    exact = [i for i in items if i["name"].casefold() == text.casefold()]
    return _one(exact or [i for i in items if i["name"].endswith(f"-{text}")], text, "machine")


def _named(items: list[dict[str, Any]], text: str, kind: str) -> dict[str, Any]:
    return _one([i for i in items if i["name"].casefold() == text.casefold()], text, kind)


def _one(found: list[dict[str, Any]], text: str, kind: str) -> dict[str, Any]:
    if not found:
        message = f"{kind} {text!r} not found"
        raise Missing(message)
    if len(found) > 1:
        message = f"{kind} {text!r} is ambiguous: {', '.join(i['id'] for i in found)}"
        raise Usage(message)
    return found[0]
