"""The loopback servers of the host that machines may reach at public sandbox addresses.

Several platforms may register, each its own port. What is registered outlives a restart of the
sandbox, because a platform that runs on does not notice one.
"""

import threading
from collections.abc import Callable
from ipaddress import IPv4Address

from holdfast_sandbox.control.bodies import CallbackBody
from holdfast_sandbox.control.server import Refused
from holdfast_sandbox.listening import answers
from holdfast_sandbox.ports import Fabric


class Callbacks:
    """The registered call-backs. `keep` saves them, as `address:port -> target`."""

    def __init__(self, fabric: Fabric, keep: Callable[[dict[str, str]], None]) -> None:
        self._fabric = fabric
        self._keep = keep
        self._guard = threading.Lock()
        self._targets: dict[str, str] = {}

    def restore(self, targets: dict[str, str]) -> None:
        """Register again what the last run had."""
        for place, target in targets.items():
            address, _, port = place.rpartition(":")
            self._expose(IPv4Address(address), int(port), target)

    def add(self, body: CallbackBody) -> dict[str, str]:
        """Register one; again is fine. Raises Refused when a living server holds the place."""
        place = f"{body.address}:{body.port}"
        with self._guard:
            held = self._targets.get(place)
            if held is not None and held != body.target and answers(_loopback(held)):
                raise Refused(409, f"{place} leads to {held}, where a server answers")
            if held != body.target:
                self._expose(body.address, body.port, body.target)
        return self.all()

    def remove(self, address: str, port: str) -> dict[str, str]:
        """Take one back. Raises Refused when there is none."""
        place = f"{address}:{port}"
        with self._guard:
            if place not in self._targets:
                raise Refused(404, f"nothing is registered at {place}")
            self._fabric.withdraw(IPv4Address(address), int(port))
            del self._targets[place]
            self._keep(dict(self._targets))
        return self.all()

    def all(self) -> dict[str, str]:
        """Every registered call-back."""
        return dict(self._targets)

    def _expose(self, address: IPv4Address, port: int, target: str) -> None:
        if f"{address}:{port}" in self._targets:
            self._fabric.withdraw(address, port)
        self._fabric.expose(address, port, _loopback(target))
        self._targets[f"{address}:{port}"] = target
        self._keep(dict(self._targets))


def _loopback(target: str) -> tuple[str, int]:
    host, _, port = target.partition(":")
    return host, int(port)
