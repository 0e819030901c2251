"""Saves the cloud's state soon after changes, as a whole file or not at all."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from holdfast_sandbox.files import write_whole

log = logging.getLogger(__name__)

QUIET_SECONDS = 0.2  # changes within this time are saved together


class Saver:
    """Writes `snapshot()` to `path` after `changed()`, and once more at `close`."""

    def __init__(self, snapshot: Callable[[], bytes], path: Path) -> None:
        self._snapshot = snapshot
        self._path = path
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="saver", daemon=True)

    def start(self) -> None:
        """Save after changes from now on."""
        self._thread.start()

    def changed(self) -> None:
        """Something changed. Never blocks."""
        self._wake.set()

    def save(self) -> None:
        """Save now."""
        write_whole(self._path, self._snapshot())

    def close(self) -> None:
        """Stop following and save a last time."""
        self._stop.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()
        self.save()

    def _follow(self) -> None:
        while not self._stop.is_set():
            self._wake.wait()
            self._stop.wait(QUIET_SECONDS)
            self._wake.clear()
            if self._stop.is_set():
                return
            try:
                self.save()
            except Exception:  # a full disk must not end the saving for ever
                log.exception("the cloud's state could not be saved to %s", self._path)
