"""Work in parallel over keys and in order within one key.

The jobs of one machine must not overtake each other (a terminate behind its launch), those of two
machines need not wait for each other.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

log = logging.getLogger(__name__)

Job = Callable[[], None]


class Lanes:
    """Runs jobs on at most `workers` threads. `put` never blocks and may be called under locks."""

    def __init__(self, workers: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=name)
        self._waiting: dict[str, deque[Job]] = {}
        self._guard = threading.Lock()
        self._open = True

    def put(self, key: str, job: Job) -> None:
        """Run the job after all earlier ones of this key. After `close` it is dropped."""
        with self._guard:
            if not self._open:
                return
            lane = self._waiting.get(key)
            if lane is not None:
                lane.append(job)
                return
            self._waiting[key] = deque([job])
            self._pool.submit(self._run, key)

    def close(self) -> None:
        """Drop what has not begun and wait for what has."""
        with self._guard:
            self._open = False
            for lane in self._waiting.values():
                lane.clear()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, key: str) -> None:
        while True:
            with self._guard:
                lane = self._waiting[key]
                if not lane:
                    del self._waiting[key]
                    return
                job = lane.popleft()
            try:
                job()
            except Exception:  # one broken job must not stop the later ones of its machine
                log.exception("job of %s failed", key)
