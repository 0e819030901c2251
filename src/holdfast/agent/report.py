"""Sends steps and results in the background, in order: no step waits for the platform."""

import logging
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from holdfast.agent.commands import TAIL
from holdfast.agent.uplink import Refused, Unreachable, Uplink

PATIENCE = 600.0  # seconds that one report is tried; heartbeats tell the rest

log = logging.getLogger(__name__)


class Reports:
    """A queue of call-backs and the thread that empties it."""

    def __init__(self, uplink: Uplink) -> None:
        self._uplink = uplink
        self._queue: queue.Queue[tuple[str, dict[str, object]]] = queue.Queue()

    def send(self, kind: str, **fields: object) -> None:
        """Have it sent; returns at once."""
        self._queue.put((kind, fields))

    def failed(self, step: str, message: str, output: str) -> None:
        """Tell of a step that failed, with the tail of what was written."""
        log.error("%s failed: %s\n%s", step, message, output[-TAIL:])
        self.send("failed", step=step, message=message, log=output[-TAIL:])

    @contextmanager
    def step(self, name: str, detail: str = "") -> Iterator[None]:
        """Do a step and tell how long it took; one that raises is not told here."""
        started = time.monotonic()
        yield
        seconds = round(time.monotonic() - started, 2)
        log.info("%s: done after %.2f s", name, seconds)
        self.send("step", name=name, detail=detail, seconds=seconds)

    def work(self, stop: threading.Event) -> None:
        """Send what is queued, until stopped."""
        while not stop.is_set():
            try:
                kind, fields = self._queue.get(timeout=1.0)
            except queue.Empty:
                continue
            try:
                self._uplink.call(kind, PATIENCE, **fields)
            except (Unreachable, Refused) as error:
                log.warning("%s not told: %s", kind, error)
            self._queue.task_done()
