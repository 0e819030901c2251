"""Who is not the machine that they say: forged, replayed and stolen messages, machines that return.

Every method returns the HTTP status that the platform answered; nothing here has a shortcut.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from holdfast.simulation import papers
from holdfast.simulation.machines import Guest
from holdfast.simulation.uplink import Reply, Sent, Uplink

if TYPE_CHECKING:
    from holdfast.simulation.world import Simulation


@dataclass(slots=True)
class Impostor:
    """Somebody on the network, with a key of their own and a record of what went over the wire."""

    world: "Simulation"
    heard: list[Sent] = field(default_factory=list)

    def listen(self) -> None:
        """Keep a copy of every message from now on."""
        self.world.taps.append(lambda sent, _: self.heard.append(sent))

    async def forged(self, guest: Guest, kind: str, **fields: object) -> int:
        """A call-back in a machine's name, signed by another key."""
        return await self._sent(self._uplink(guest).signed(kind, fields))

    async def replayed(self, message: Sent, machine: str = "") -> int:
        """A message that was sent before, byte for byte; or to another machine's path."""
        return await self._sent(replace(message, machine=machine or message.machine))

    async def contacted(self, guest: Guest, nonce: str = "", **claims: str) -> int:
        """A first contact by another key; `claims` change what the signed document says.

        Without a nonce it is the machine's own, which whoever reads its user data has.
        """
        uplink = self._uplink(guest)
        body: Mapping[str, object] = {
            "nonce": nonce or guest.settings["nonce"],
            "publicKey": uplink.public_key,
            "cloud": guest.resource.offering.cloud.value,
            "proof": dict(papers.proof(guest, "", self.world.clock.now(), **claims)),
            "bootId": "stolen",
            "at": uplink.now_ms,
        }
        message = Sent(guest.machine, "first-contact", {}, json.dumps(body).encode(), "192.0.2.66")
        return await self._sent(message)

    def revive(self, guest: Guest) -> None:
        """A machine that was written off comes back as it was: key, counter, everything."""
        guest.runs = True
        self.world.machines.tell(guest, "running")

    def _uplink(self, guest: Guest) -> Uplink:
        chance = self.world.chance.fork(f"impostor {guest.machine}")
        return Uplink(guest, self.world, self.world.clock, chance)

    async def _sent(self, message: Sent) -> int:
        reply: Reply = await self.world.send(message)
        return reply.status
