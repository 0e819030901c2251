"""Follows a cluster's events from a thread, so that the story is told while it happens."""

import threading
import time
from collections.abc import Callable
from typing import Any

from demo.report import ClaimFailed, Report
from holdfast.client import calls
from holdfast.client.errors import ClientError
from holdfast.client.sync import Client


class Follower:
    """Tells every event once, and remembers them."""

    def __init__(self, client: Client, cluster: str, report: Report) -> None:
        self.events: list[dict[str, Any]] = []
        self._client = client
        self._cluster = cluster
        self._report = report
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Tell nothing more."""
        self._done.set()

    def wait(self, what: str, seen: Callable[[], Any], limit: float) -> float:
        """Seconds until `seen()` is true. Raises ClaimFailed naming what did not happen."""
        began = time.monotonic()
        while not seen():
            if time.monotonic() - began > limit:
                raise ClaimFailed(f"{what}: not within {limit:g} s")
            time.sleep(0.1)
        return time.monotonic() - began

    def has(self, reason: str, text: str = "") -> bool:
        """True once an event of that reason mentions the text."""
        return any(e["reason"] == reason and text in e["message"] for e in self.events)

    def _run(self) -> None:
        last = 0
        while not self._done.is_set():
            try:
                for event in self._client.events(self._cluster, last):
                    last = event.seq
                    self.events.append(event.data)
                    error = event.data.get("severity") == "error"
                    self._report.event(event.data["message"].splitlines()[0], error=error)
                    if self._done.is_set():
                        return
            except ClientError:
                self._done.wait(0.5)


def cluster_of(client: Client, cluster: str) -> dict[str, Any]:
    """The cluster as it is now."""
    found: dict[str, Any] = client.json(calls.get_cluster(cluster))
    return found


def nodes_of(client: Client, cluster: str) -> list[dict[str, Any]]:
    """Its nodes as they are now."""
    items: list[dict[str, Any]] = client.json(calls.list_nodes(cluster))["items"]
    return items
