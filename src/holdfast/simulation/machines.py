"""The machines behind the simulated clouds: who runs, who is frozen, and who lives on them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from holdfast.model.ids import ClusterId, MachineId, ProviderId
from holdfast.model.resource import VirtualMachine
from holdfast.providers.sim.account import Site
from holdfast.providers.sim.things import Thing
from holdfast.providers.sim.world import Happening
from holdfast.providers.sim.world import World as Clouds

DEAD = {"ending", "ended", "stopped"}


@dataclass(slots=True)
class Guest:
    """One virtual machine, seen from inside.

    settings   what user data says: platform, caSha256, agentSha256, machine, nonce
    notice     the cloud's announcement, as the metadata service shows it: (action, time)
    boots      how often it was started
    """

    site: Site
    thing: ProviderId
    machine: MachineId
    cluster: ClusterId
    resource: VirtualMachine
    private_ip: str
    launched_at: datetime
    settings: Mapping[str, str]
    runs: bool = True
    is_frozen: bool = False
    is_cut_off: bool = False
    notice: tuple[str, str] | None = None
    boots: int = 1

    @property
    def lives(self) -> bool:
        """It runs, is not frozen, and others can reach it."""
        return self.runs and not self.is_frozen and not self.is_cut_off


Listener = Callable[[Guest, str], None]


@dataclass(slots=True)
class Machines:
    """Every machine that ever ran, by the platform's id of it; the clouds' witness.

    `listeners` are told ("running", "dead", "notice", "frozen", "thawed", "cut", "joined-up").
    """

    clouds: Clouds
    guests: dict[MachineId, Guest] = field(default_factory=dict)
    listeners: list[Listener] = field(default_factory=list)
    _by_thing: dict[ProviderId, Guest] = field(default_factory=dict)

    def happened(self, happening: Happening) -> None:
        """What a cloud did to a machine."""
        if happening.what == "running":
            self._runs(happening)
            return
        guest = self._by_thing.get(happening.thing)
        if guest is None:
            return
        if happening.what in DEAD and guest.runs:
            guest.runs = False
            self.tell(guest, "dead")
        elif happening.what in {"notice", "rebalance"}:
            word = "terminate" if happening.what == "notice" else "rebalance"
            at = happening.deadline or happening.at
            guest.notice = (word, at.strftime("%Y-%m-%dT%H:%M:%SZ"))
            self.tell(guest, "notice")

    def lives(self, machine: MachineId) -> bool:
        """Whether anybody could talk to it."""
        guest = self.guests.get(machine)
        return guest is not None and guest.lives

    def freeze(self, machine: MachineId) -> None:
        """It stands still and its link is down; the cloud goes on to call it running."""
        guest = self.guests[machine]
        guest.is_frozen = True
        self.tell(guest, "frozen")

    def thaw(self, machine: MachineId) -> None:
        """It goes on where it stood."""
        guest = self.guests[machine]
        guest.is_frozen = False
        self.tell(guest, "thawed")

    def cut_off(self, machine: MachineId) -> None:
        """It works, and nobody can reach it, nor it anybody."""
        guest = self.guests[machine]
        guest.is_cut_off = True
        self.tell(guest, "cut")

    def join_up(self, machine: MachineId) -> None:
        """Its link is back."""
        guest = self.guests[machine]
        guest.is_cut_off = False
        self.tell(guest, "joined-up")

    def challenge(self, guest: Guest) -> str:
        """The challenge tag as the machine's metadata service shows it; empty without one."""
        users = guest.site.shelf.users_of(guest.thing)
        tag = next((user.id for user in users if user.kind == "ChallengeTag"), None)
        return self.clouds.payloads.get(tag, b"").decode() if tag else ""

    def behind(self, public_ip: str) -> Guest | None:
        """The machine that a reserved address leads to now; None where it leads nowhere."""
        found = self.clouds.leads_to(public_ip)
        return None if found is None else self._by_thing.get(found[1])

    def _runs(self, happening: Happening) -> None:
        thing = happening.site.shelf.thing(happening.thing)
        known = self._by_thing.get(happening.thing)
        if known is not None:
            known.runs = True
            known.boots += 1
            self.tell(known, "running")
            return
        guest = None if thing is None else self._guest(happening.site, thing)
        if guest is None:
            return
        twin = self.guests.get(guest.machine)
        if twin is not None and twin.runs:
            return  # a second copy with the same nonce: whoever speaks first is let in
        self.guests[guest.machine] = guest
        self._by_thing[guest.thing] = guest
        self.tell(guest, "running")

    def _guest(self, site: Site, thing: Thing) -> Guest | None:
        """None for a machine that is not ours, or whose user data starts no agent."""
        settings = settings_of(self.clouds.payloads.get(thing.id, b""))
        if thing.owner is None or not isinstance(thing.resource, VirtualMachine) or not settings:
            return None
        return Guest(
            site=site,
            thing=thing.id,
            machine=thing.resource.machine,
            cluster=thing.owner.cluster,
            resource=thing.resource,
            private_ip=thing.private_ip or "",
            launched_at=thing.created_at,
            settings=settings,
        )

    def tell(self, guest: Guest, what: str) -> None:
        """Let all listeners know."""
        for listener in self.listeners:
            listener(guest, what)


def settings_of(user_data: bytes) -> dict[str, str]:
    """The agent's settings as the script of `bootstrap.user_data` writes them to its file."""
    for line in user_data.decode().splitlines():
        if line.startswith("{") and '"nonce"' in line:
            found: dict[str, str] = json.loads(line)
            return found
    return {}
