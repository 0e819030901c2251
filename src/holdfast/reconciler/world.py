"""The collaborators of a pass, as one frozen value; built once, by `local/serve`."""

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from holdfast.clock import Chance, Clock
from holdfast.engine.port import WorkEngine
from holdfast.identity.proofs import challenge
from holdfast.kube.port import Kube, KubeAccess
from holdfast.model.action import Plan, Result
from holdfast.model.ids import ClusterId, MachineId
from holdfast.model.offering import Cloud, OfferingKey
from holdfast.model.wake import Again
from holdfast.planner.pace import Pause, Pauses, after
from holdfast.planner.rules import Rules
from holdfast.providers.port import Provider
from holdfast.reconciler.listings import Listings
from holdfast.store.database import Tx
from holdfast.store.installation import Installation
from holdfast.store.leases import Lease
from holdfast.store.store import Store

FIRST_DROUGHT = timedelta(minutes=3)
LONGEST_DROUGHT = timedelta(hours=1)
CALL_TIMEOUT = 12.0  # seconds one call to a cloud may take; the lease must outlast it
MARGIN = 3.0
OUR_CERTIFICATE = timedelta(days=30)  # how long ours for a cluster's API is valid
RENEWED = OUR_CERTIFICATE * 2 / 3


@dataclass(frozen=True, slots=True)
class Platform:
    """What machines are told of us: where we are, and how to know us."""

    url: str
    ca_sha256: str
    agent_sha256: str
    egress_proxy: str = ""


class Providers(Protocol):
    """Providers by their secret, made once and kept; `providers.connect.Connections` is one."""

    def provider(self, cloud: Cloud, secret: Mapping[str, str]) -> Provider:
        """The provider of an account. Raises CredentialsRejected for a field that is missing."""
        ...


@dataclass(frozen=True, slots=True)
class _Client:
    url: str
    made_at: datetime
    kube: Kube


class Kubes:
    """Clients of clusters' APIs, made once and kept for as long as their certificate is young."""

    def __init__(self, make: Callable[[KubeAccess], Kube]) -> None:
        self._make = make
        self._known: dict[ClusterId, _Client] = {}
        self._replaced: dict[ClusterId, list[Kube]] = {}

    def kube(
        self, cluster: ClusterId, url: str, now: datetime, access: Callable[[], KubeAccess]
    ) -> Kube:
        """The client of a cluster's API at that URL. `access` is asked when it must be made."""
        known = self._known.get(cluster)
        if known is not None and known.url == url and now - known.made_at < RENEWED:
            return known.kube
        if known is not None:
            self._replaced.setdefault(cluster, []).append(known.kube)  # a watch may still use it
        self._known[cluster] = _Client(url, now, self._make(access()))
        return self._known[cluster].kube

    async def drop(self, cluster: ClusterId) -> None:
        """Forget a cluster that is gone."""
        known = self._known.pop(cluster, None)
        for kube in (*self._replaced.pop(cluster, ()), *([known.kube] if known else [])):
            await kube.close()

    async def close(self) -> None:
        """Drop everything."""
        for cluster in list(self._known):
            await self.drop(cluster)


@dataclass(slots=True)
class Reached:
    """Clusters whose API the last pass could reach: those are worth a watch.

    `changed` is set when one came or went.
    """

    now: dict[ClusterId, None] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, cluster: ClusterId, *, is_reached: bool) -> None:
        """What a pass knows of it."""
        if is_reached == (cluster in self.now):
            return
        if is_reached:
            self.now[cluster] = None
        else:
            del self.now[cluster]
        self.changed.set()


@dataclass(slots=True)
class Droughts:
    """Offerings that were sold out a moment ago. Forgotten by a restart, which costs one try."""

    until: dict[OfferingKey, tuple[datetime, timedelta]] = field(default_factory=dict)

    def mark(self, key: OfferingKey, now: datetime) -> None:
        """Out for three minutes; twice as long each time it is out again, up to an hour.

        One that lasts already stays as it is, and one long past is forgotten.
        """
        until, pause = self.until.get(key, (now, FIRST_DROUGHT / 2))
        if until > now:
            return
        if now - until > LONGEST_DROUGHT:
            pause = FIRST_DROUGHT / 2
        pause = min(pause * 2, LONGEST_DROUGHT)
        self.until[key] = (now + pause, pause)

    def now(self, now: datetime) -> frozenset[OfferingKey]:
        """What is not worth asking for."""
        return frozenset(key for key, (until, _) in self.until.items() if until > now)


@dataclass(slots=True)
class Told:
    """Troubles that users were told of, so that one that lasts is not told again."""

    last: dict[ClusterId, dict[str, str]] = field(default_factory=dict)

    def news(self, cluster: ClusterId, troubles: Mapping[str, str]) -> set[str]:
        """The subjects whose message is new. A trouble that is over is forgotten."""
        known = self.last.get(cluster, {})
        self.last[cluster] = dict(troubles)
        return {subject for subject, message in troubles.items() if known.get(subject) != message}

    def drop(self, cluster: ClusterId) -> None:
        """Forget a cluster that is gone."""
        self.last.pop(cluster, None)


@dataclass(slots=True)
class Paces:
    """What was refused and waits, per cluster. Forgotten by a restart, which costs one try."""

    known: dict[ClusterId, Pauses] = field(default_factory=dict)

    def of(self, cluster: ClusterId) -> Pauses:
        """The pauses of a cluster."""
        return self.known.get(cluster, {})

    def note(
        self, cluster: ClusterId, wanted: Plan, results: Sequence[Result], now: datetime
    ) -> tuple[Pause, ...]:
        """Learn from a pass; returns the pauses that hold now."""
        self.known[cluster] = after(self.of(cluster), wanted.actions, results, now)
        return tuple(self.known[cluster].values())

    def drop(self, cluster: ClusterId) -> None:
        """Forget a cluster that is gone."""
        self.known.pop(cluster, None)


class Held:
    """The lease of the running pass. Before each effect it is checked, and renewed when short.

    `is_finished` is set once the commit that gave it back is through.
    """

    def __init__(self, lease: Lease, store: Store, clock: Clock) -> None:
        self.lease = lease
        self.is_finished = False
        self._store = store
        self._clock = clock
        self._renewing = asyncio.Lock()

    async def ensure(self) -> None:
        """Return when the lease outlasts one more call. Raises LeaseLost: the pass must end."""
        async with self._renewing:
            if self.lease.left(self._clock) < CALL_TIMEOUT + MARGIN:
                self.lease = await self._store.leases.renew(self.lease)

    async def finish(self, tx: Tx, again: Again) -> Again:
        """Give the lease back with the pass's last commit; returns when the key is due next."""
        return await self._store.leases.finish(self.lease, ok=True, again=again, tx=tx)


@dataclass(frozen=True, slots=True)
class World:
    """Everything a pass needs from outside of itself."""

    store: Store
    engine: WorkEngine
    clock: Clock
    chance: Chance
    rules: Rules
    installation: Installation
    providers: Providers
    kubes: Kubes
    platform: Platform
    native_regions: Mapping[Cloud, tuple[str, ...]]
    droughts: Droughts = field(default_factory=Droughts)
    told: Told = field(default_factory=Told)
    pauses: Paces = field(default_factory=Paces)
    reached: Reached = field(default_factory=Reached)
    listings: Listings = field(default_factory=Listings)

    def nonce(self, machine: MachineId) -> str:
        """The machine's one-time word; derived, so that a repeated create sends the same bytes."""
        key = hashlib.sha256(self.installation.signing_key_pem.encode()).digest()
        return hmac.new(key, f"nonce/{machine}".encode(), hashlib.sha256).hexdigest()

    def challenge(self, machine: MachineId) -> str:
        """The one-time word for a machine whose cloud signs nothing."""
        return challenge(self.installation.signing_key_pem, machine)

    def nonce_hash(self, machine: MachineId) -> str:
        """What is stored of it."""
        return hashlib.sha256(self.nonce(machine).encode()).hexdigest()
