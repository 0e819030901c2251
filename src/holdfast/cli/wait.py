"""Follows a cluster live until it is where it should be: events as they come, status between."""

import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from holdfast.cli.exits import Blocked, Failure, Late
from holdfast.cli.output import note
from holdfast.client import calls
from holdfast.client.errors import ClientError, NotFound, Unreachable
from holdfast.client.sse import StreamEvent
from holdfast.client.sync import Client

LOOK_EVERY = 2.0  # seconds between two looks at the status
RECONNECT = 1.0
SILENCE = 60.0  # seconds without any answer until waiting ends


class Follower:
    """Reads the stream in a thread and reconnects behind the last event; never tells one twice."""

    def __init__(self, client: Client, cluster: str, after: int) -> None:
        self.events: queue.Queue[StreamEvent] = queue.Queue()
        self._client = client
        self._cluster = cluster
        self._last = after
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No more reconnecting; the thread ends with the process or its connection."""
        self._stop.set()

    def _read(self) -> None:
        while not self._stop.is_set():
            try:
                for event in self._client.events(self._cluster, self._last):
                    self._last = max(self._last, event.seq)
                    self.events.put(event)
                    if self._stop.is_set():
                        return
            except ClientError:
                pass  # the status, asked for meanwhile, says whether the platform is away
            self._stop.wait(RECONNECT)


def until_ready(client: Client, cluster: str, limit: float) -> dict[str, Any]:
    """Follow until `ready`. Raises Failure when it failed, Late when the time is over."""

    def judge(found: dict[str, Any]) -> bool:
        if found["status"] == "failed":
            message = f"cluster {found['name']} failed: {reasons(found)}"
            raise Failure(message)
        if found["status"] in {"deleting", "deleted"}:
            message = f"cluster {found['name']} is {found['status']}"
            raise Failure(message)
        return bool(found["status"] == "ready")

    return follow(client, cluster, judge, limit)


def until_deleted(client: Client, cluster: str, limit: float, after: int = 0) -> dict[str, Any]:
    """Follow until `deleted`, telling events behind a number.

    Raises Blocked naming what is in the way, and Late.
    """

    def judge(found: dict[str, Any]) -> bool:
        if found["status"] == "failed":
            message = f"cluster {found['name']} can't be deleted: {reasons(found)}"
            raise Blocked(message)
        return bool(found["status"] == "deleted")

    return follow(client, cluster, judge, limit, after)


def last_seq(client: Client, cluster: str) -> int:
    """The number of the newest event."""
    after = 0
    while (page := client.json(calls.list_events(cluster, after)))["items"]:
        after = page["lastSeq"]
    return after


def follow(
    client: Client,
    cluster: str,
    judge: Callable[[dict[str, Any]], bool],
    limit: float,
    after: int = 0,
) -> dict[str, Any]:
    """Tell the events behind a number and look at the status until `judge` is satisfied."""
    began = time.monotonic()
    follower = Follower(client, cluster, after)
    try:
        heard = began
        while True:
            _tell(follower, began)
            found = _look(client, cluster)
            now = time.monotonic()
            if found is not None:
                heard = now
                if judge(found):
                    _rest(follower, began)
                    return found
            if now - heard > SILENCE:
                message = f"no answer from {client.url} for {SILENCE:.0f} s"
                raise Late(message)
            if now - began > limit:
                status = found["status"] if found else "unknown"
                message = f"not there after {limit:.0f} s: the cluster is {status}"
                raise Late(message)
    finally:
        follower.stop()


def reasons(found: dict[str, Any]) -> str:
    """What the conditions that are not good say; a blocker alone, where there is one."""
    bad = [one for one in found.get("conditions", []) if not one["status"]]
    bad = [one for one in bad if one["type"] == "Unblocked"] or bad
    return "; ".join(f"{one['reason']}: {one['message']}" for one in bad) or "no reason is recorded"


def _look(client: Client, cluster: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = client.json(calls.get_cluster(cluster))
    except NotFound:
        raise
    except Unreachable:
        return None
    return found


def _tell(follower: Follower, began: float) -> None:
    """Print events for LOOK_EVERY seconds, or until one says that the status changed."""
    end = time.monotonic() + LOOK_EVERY
    while (left := end - time.monotonic()) > 0:
        try:
            event = follower.events.get(timeout=left)
        except queue.Empty:
            return
        _print(event, began)
        if event.data.get("reason") in {"Phase", "DeletionConfirmed", "Blocked"}:
            return


def _rest(follower: Follower, began: float) -> None:
    while True:
        try:
            _print(follower.events.get(timeout=0.2), began)
        except queue.Empty:
            return


def _print(event: StreamEvent, began: float) -> None:
    mark = "!" if event.data.get("severity") == "error" else " "
    note(f"{time.monotonic() - began:7.1f} s {mark} {event.data.get('message', '')}")
