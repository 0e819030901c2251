"""An account of a simulated cloud: who it is, its keys, its limits, its things by region."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast.model.offering import Cloud
from holdfast.providers.limits import Budget
from holdfast.providers.sim.clouds import TRAITS
from holdfast.providers.sim.draws import Draws
from holdfast.providers.sim.offerings import NOT_ENABLED, REGIONS
from holdfast.providers.sim.shelf import Shelf

UNLIMITED = 1_000_000.0  # of a quota that nobody set


@dataclass(slots=True)
class Key:
    """A key of an account. `id` is its public part."""

    id: str
    secret: Mapping[str, str] = field(repr=False)
    is_valid: bool = True


@dataclass(frozen=True, slots=True)
class Site:
    """One account in one region, with what is there."""

    cloud: Cloud
    account: str
    region: str
    shelf: Shelf

    def __str__(self) -> str:
        return f"{self.cloud.value}/{self.account}/{self.region}"


class Account:
    """An account, project, subscription or team."""

    def __init__(self, cloud: Cloud, name: str, draws: Draws) -> None:
        self.cloud = cloud
        self.id = name
        self.regions: list[str] = [one for one in REGIONS[cloud] if one not in NOT_ENABLED]
        self.limits: dict[str, float] = {}
        self.keys: list[Key] = []
        self._sites: dict[str, Site] = {}
        self._meters: dict[tuple[str, str], Meter] = {}
        self._draws = draws

    @property
    def sites(self) -> tuple[Site, ...]:
        """Every region that was ever used, in the order of first use."""
        return tuple(self._sites.values())

    def site(self, region: str) -> Site:
        """The account's share of a region."""
        if region not in self._sites:
            self._sites[region] = Site(self.cloud, self.id, region, Shelf())
        return self._sites[region]

    def new_key(self) -> Key:
        """One more key with every right; `secret` has the fields of the v1 contract."""
        fields = TRAITS[self.cloud].secret
        number = len(self.keys) + 1
        secret = {name: self._field(name, number) for name in fields}
        public = "/".join(secret[name] for name in fields[:-1]) or f"{self.id}#{number}"
        self.keys.append(Key(public, secret))
        return self.keys[-1]

    def limit(self, code: str) -> float:
        """A quota by its code."""
        return self.limits.get(code, UNLIMITED)

    def meter(self, region: str, group: str, budget: Budget) -> "Meter":
        """The cloud's own bucket for a group of calls."""
        place = (region, group)
        if place not in self._meters:
            # Calls that left in time may arrive in a bunch: a second's worth more is let in.
            burst = budget.burst + budget.per_second
            self._meters[place] = Meter(burst, budget.per_second, float(burst))
        return self._meters[place]

    def _field(self, name: str, number: int) -> str:
        if name in {"project_id", "subscriptionId"}:
            return self.id
        if name == "accessKeyId":
            return "AKIA" + self._draws.hex(16, "key", self.id, name, number).upper()
        return self._draws.hex(40, "key", self.cloud, self.id, name, number)


@dataclass(slots=True)
class Meter:
    """A token bucket of the cloud: it refuses, the platform's own (`limits`) waits."""

    burst: int
    per_second: float
    tokens: float
    filled_at: float = 0.0

    def take(self, now: float) -> bool:
        """Whether one more call is accepted now."""
        self.tokens = min(self.burst, self.tokens + (now - self.filled_at) * self.per_second)
        self.filled_at = now
        if self.tokens < 1 - 1e-6:  # a float's dust is no call too many
            return False
        self.tokens -= 1
        return True


@dataclass(slots=True)
class Addresses:
    """Public addresses of one world; a freed one is given out again only when asked for."""

    reuse: bool
    given: int = 0
    freed: list[str] = field(default_factory=list)

    def take(self) -> str:
        """An address of 100.64.0.0/10, which no network routes."""
        if self.reuse and self.freed:
            return self.freed.pop()
        self.given += 1
        high, low = divmod(self.given, 1 << 16)
        return f"100.{64 + high % 64}.{low >> 8}.{low & 255}"

    def free(self, address: str | None) -> None:
        """Nobody has it any more."""
        if address:
            self.freed.append(address)
