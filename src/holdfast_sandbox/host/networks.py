"""Keeps the fabric at what the cloud says of its networks, soon after each change.

A change only sets a flag; one pass takes the pictures of all networks and applies those that
differ from what was applied last. Many changes in a row become one pass.
"""

import logging
import threading
from collections.abc import Callable, Sequence

from holdfast_sandbox.ports import Fabric, NetworkPicture

log = logging.getLogger(__name__)

AGAIN_SECONDS = 1.0  # pause before a network that could not be applied is tried again
LOOK_SECONDS = 1.0  # what happens in the cloud by itself, by time, is seen this late at most


class NetworkFailed(Exception):
    """The fabric refused a network; the message names it and says why."""


class Networks:
    """The follower of the pictures.

    pictures  takes the pictures as of now; takes the cloud's lock itself, briefly
    """

    def __init__(self, pictures: Callable[[], Sequence[NetworkPicture]], fabric: Fabric) -> None:
        self._pictures = pictures
        self._fabric = fabric
        self._applied: dict[str, NetworkPicture] = {}
        self._failed: dict[str, str] = {}
        self._pass = threading.Lock()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="networks", daemon=True)

    def start(self) -> None:
        """Follow changes from now on."""
        self._thread.start()

    def changed(self) -> None:
        """Something changed. Never blocks: the cloud calls it under its lock."""
        self._wake.set()

    def settle(self, network: str) -> None:
        """Return when this network is as the cloud has it now. Raises NetworkFailed."""
        self._apply_all()
        if reason := self._failed.get(network):
            raise NetworkFailed(f"network {network}: {reason}")

    def state(self) -> dict[str, str]:
        """Each network that was applied or tried: "applied", or why it could not be."""
        return dict.fromkeys(self._applied, "applied") | self._failed

    def close(self) -> None:
        """Stop following; the networks stay for the fabric's own `close`."""
        self._stop.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _follow(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(LOOK_SECONDS)
            self._wake.clear()
            if self._stop.is_set():
                return
            self._try_all()
            if self._failed and not self._stop.wait(AGAIN_SECONDS):
                self._wake.set()

    def _try_all(self) -> None:
        try:
            self._apply_all()
        except Exception:  # the following must go on, or no network would change any more
            log.exception("the networks could not be followed")

    def _apply_all(self) -> None:
        with self._pass:
            wanted = {picture.id: picture for picture in self._pictures()}
            for name in [name for name in self._applied if name not in wanted]:
                self._remove(name)
            self._failed = {name: why for name, why in self._failed.items() if name in wanted}
            for picture in wanted.values():
                if self._applied.get(picture.id) != picture:
                    self._apply(picture)

    def _remove(self, name: str) -> None:
        try:
            self._fabric.remove(name)
        except Exception:  # it stays in `_applied`, so the next pass tries again
            log.exception("network %s could not be removed", name)
        else:
            del self._applied[name]

    def _apply(self, picture: NetworkPicture) -> None:
        try:
            self._fabric.apply(picture)
        except Exception as error:  # the other networks must follow on; the next pass tries again
            log.exception("network %s could not be applied", picture.id)
            self._failed[picture.id] = str(error) or type(error).__name__
            # Half of it may be there: forget what was, so that an old picture is applied again.
            self._applied.pop(picture.id, None)
            return
        self._failed.pop(picture.id, None)
        self._applied[picture.id] = picture
