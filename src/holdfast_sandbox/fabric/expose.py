"""The way out: a listener in the internet namespace, forwarded to a loopback server of the host."""

import asyncio
from ipaddress import IPv4Address, ip_address

from holdfast_sandbox.fabric.errors import FabricError
from holdfast_sandbox.fabric.names import OUTSIDE, PUBLIC
from holdfast_sandbox.fabric.pump import pump
from holdfast_sandbox.fabric.server import keep_alive

CONNECT_TIMEOUT = 5.0


class Forwarder:
    """Carries each accepted connection to one loopback target; TLS stays end to end."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection; a target that is down shows as a closed connection."""
        async with asyncio.timeout(CONNECT_TIMEOUT):
            near = await asyncio.open_connection(*self._target)
        keep_alive(near[1])
        await pump((reader, writer), near)


def check_exposure(address: IPv4Address, target: tuple[str, int]) -> None:
    """Refuse what would open more of the host than one loopback port. Raises FabricError."""
    if address not in PUBLIC or address == OUTSIDE:
        raise FabricError(f"{address} can't be exposed: not a free address of {PUBLIC}")
    try:
        loopback = ip_address(target[0]).is_loopback
    except ValueError:
        loopback = target[0] == "localhost"
    if not loopback:
        raise FabricError(f"{target[0]} can't be exposed: only servers on loopback can")
