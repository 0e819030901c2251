"""The one event loop of the fabric's servers, on a thread that stays in the host's namespace."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class ServerLoop:
    """An event loop on its own thread; the blocking side of the fabric hands it coroutines."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._answers = ThreadPoolExecutor(16, thread_name_prefix="fabric-answer")
        self._loop.set_default_executor(self._answers)
        self._thread = threading.Thread(target=self._loop.run_forever, name="fabric-loop")
        self._thread.daemon = True
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T], timeout: float = 10) -> T:
        """Run a coroutine on the loop and wait for its result. MUST NOT be called on the loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    def close(self) -> None:
        """Cancel what still runs and end the thread."""
        self.call(_cancel_all())
        # A metadata service that hangs, as a fault may make it, must not hold up the end.
        self._answers.shutdown(wait=False, cancel_futures=True)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
