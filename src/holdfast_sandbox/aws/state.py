"""What the emulator remembers beside moto's models: everything here is pickled with them."""

import base64
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from holdfast_sandbox.aws.balancing import Balancing
from holdfast_sandbox.aws.record import CallRecord

PAGES_KEPT = 1000


@dataclass(slots=True)
class PublicPool:
    """Public addresses of the sandbox. A freed one comes up again only after all others."""

    network: IPv4Network
    cursor: int = 0
    taken: set[IPv4Address] = field(default_factory=set)

    def take(self) -> str:
        """A free address. Raises LookupError when none is left."""
        size = self.network.num_addresses - 2
        for _ in range(size):
            self.cursor = self.cursor % size + 1
            address = self.network.network_address + self.cursor
            if address not in self.taken:
                self.taken.add(address)
                return str(address)
        raise LookupError(f"no free public address in {self.network}")

    def give_back(self, address: str) -> None:
        """Free an address; one that is not of this pool is ignored."""
        self.taken.discard(IPv4Address(address))


@dataclass(slots=True)
class TokenUse:
    """A client token that was used: with which parameters, and what the call made."""

    params: dict[str, Any]
    result: Any


@dataclass(slots=True)
class Timer:
    """Something that happens by itself at a time: `what` is the name of a transition."""

    due: datetime
    account: str
    region: str
    what: str
    id: str


@dataclass(slots=True)
class Ghost:
    """A thing that is gone and still shows in listings until `until`."""

    thing: Any
    place: tuple[str, str, str]  # account, region, kind
    until: datetime


@dataclass(slots=True)
class State:
    """One installation of the emulated cloud."""

    pool: PublicPool
    record: CallRecord = field(default_factory=CallRecord)
    balancing: Balancing = field(default_factory=Balancing)
    homes: dict[str, tuple[str, str]] = field(default_factory=dict)  # VM -> account, region
    tokens: dict[tuple[str, str, str, str], TokenUse] = field(default_factory=dict)
    timers: list[Timer] = field(default_factory=list)
    births: dict[str, datetime] = field(default_factory=dict)
    deaths: dict[str, datetime] = field(default_factory=dict)
    ghosts: dict[str, Ghost] = field(default_factory=dict)
    seen: dict[tuple[str, str], dict[str, tuple[str, Any]]] = field(default_factory=dict)
    notices: dict[str, datetime] = field(default_factory=dict)  # VM -> when it will be taken
    cancelled: set[str] = field(default_factory=set)  # spot requests
    revoked: set[str] = field(default_factory=set)
    expired: set[str] = field(default_factory=set)
    denials: dict[str, dict[str, Any]] = field(default_factory=dict)
    pages: dict[str, tuple[tuple[str, str, str], list[str]]] = field(default_factory=dict)
    pages_made: int = 0
    buckets: dict[tuple[str, str, str], tuple[float, float]] = field(default_factory=dict)
    prices: dict[tuple[str, str, str], float] = field(default_factory=dict)  # spot overrides

    def keep_page(self, place: tuple[str, str, str], names: list[str]) -> str:
        """Remember what is still to be listed; returns the token for it. The oldest are dropped."""
        self.pages_made += 1
        token = base64.urlsafe_b64encode(f"page:{self.pages_made}:{names[0]}".encode()).decode()
        self.pages[token] = (place, names)
        while len(self.pages) > PAGES_KEPT:
            del self.pages[next(iter(self.pages))]
        return token
