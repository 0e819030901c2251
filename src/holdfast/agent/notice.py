"""Watches for the cloud's announcement that this machine will be taken away."""

import logging
import threading

from holdfast.agent.metadata import Metadata
from holdfast.agent.uplink import Refused, Unreachable, Uplink

EVERY = 5.0  # seconds; AWS announces two minutes ahead
PATIENCE = 120.0

log = logging.getLogger(__name__)


class Notices:
    """Reports each notice once, at once."""

    def __init__(self, metadata: Metadata, uplink: Uplink) -> None:
        self._metadata = metadata
        self._uplink = uplink
        self._told: set[tuple[str, str]] = set()

    def watch(self, stop: threading.Event) -> None:
        """Until stopped."""
        while not stop.wait(EVERY):
            self.look()

    def look(self) -> None:
        """One look at the metadata service."""
        for ask in (self._metadata.interruption, self._metadata.rebalance):
            try:
                notice = ask()
            except OSError as error:
                log.info("the metadata service does not answer: %s", error)
                continue
            if notice is not None and (key := (notice["action"], notice["time"])) not in self._told:
                log.warning("the cloud announces: %s at %s", *key)
                try:
                    self._uplink.call("spot-notice", PATIENCE, **notice)
                except (Unreachable, Refused) as error:
                    log.warning("notice not delivered yet: %s", error)
                    continue
                self._told.add(key)
