"""The truth of all simulated clouds at once, and the only hands that change it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from holdfast.clock import Clock
from holdfast.model.ids import MachineId, ProviderId
from holdfast.model.offering import Cloud
from holdfast.providers.sim.account import Account, Addresses, Key, Site
from holdfast.providers.sim.clouds import TRAITS
from holdfast.providers.sim.consistency import AT_ONCE, Consistency, delay
from holdfast.providers.sim.draws import Draws
from holdfast.providers.sim.effects import Effects, Quiet
from holdfast.providers.sim.faults import Facts, FaultTable, Kind
from holdfast.providers.sim.offerings import Market
from holdfast.providers.sim.record import Doubled, Record, Touched
from holdfast.providers.sim.things import History, Owner, Pace, Thing, Version
from holdfast.providers.sim.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Settings:
    """How the clouds behave when nothing is wrong.

    seed          all chance of the world
    consistency   per cloud; what is missing shows everything at once
    pace          per cloud; what is missing takes the usual times of that cloud
    latency       seconds of a usual call; calls take from half to one and a half of it
    patience      seconds that a call without an answer hangs
    rates         True: the clouds refuse calls above their documented rates
    retention     seconds for which old states can still be served
    page          things in one page of a listing; None: as many as that cloud's have
    reuse         True: a freed public address is the next one that is given out
    """

    seed: int = 0
    consistency: Mapping[Cloud, Consistency] = field(default_factory=dict)
    pace: Mapping[Cloud, Pace] = field(default_factory=dict)
    latency: float = 0.2
    patience: float = 10.0
    rates: bool = True
    retention: float = 1800.0
    reuse: bool = False
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that the cloud did to a machine.

    what      "running", "ending", "ended", "stopped", "notice", "rebalance", "calmed"
    machine   the platform's id of it; None for a stranger's
    deadline  of a notice: when it ends
    """

    at: datetime
    what: str
    site: Site
    thing: ProviderId
    machine: MachineId | None
    detail: str = ""
    deadline: datetime | None = None


class Witness(Protocol):
    """Who is told of happenings at their moment: the simulated machines themselves."""

    def happened(self, happening: Happening) -> None:
        """Told in the order of the clouds' own time. MUST NOT call the clouds."""
        ...


class World:
    """All clouds. Time comes from the clock, chance from the settings' seed."""

    def __init__(
        self, clock: Clock, settings: Settings | None = None, effects: Effects | None = None
    ) -> None:
        self.clock = clock
        self.settings = settings or Settings()
        self.effects: Effects = effects or Quiet()
        self.draws = Draws(self.settings.seed)
        self.timeline = Timeline(clock)
        self.faults = FaultTable()
        self.record = Record()
        self.market = Market(self.draws)
        self.addresses = Addresses(self.settings.reuse)
        self.witnesses: list[Witness] = []
        self.consoles: dict[ProviderId, str] = {}
        self.payloads: dict[ProviderId, bytes] = {}  # user data, as machines get it
        self.reserved: dict[str, tuple[Site, ProviderId]] = {}  # addresses by what they are
        self.cursors: Counter[ProviderId] = Counter()  # next private address in a subnet
        self.accounts: dict[tuple[Cloud, str], Account] = {}
        self._made: Counter[object] = Counter()  # things made per intent, for ids

    # Accounts and keys

    def add_account(self, cloud: Cloud, name: str) -> Account:
        """A new account with one key. Raises ValueError for one that is there."""
        if (cloud, name) in self.accounts:
            message = f"account {name} of {cloud.value} is there already"
            raise ValueError(message)
        account = Account(cloud, name, self.draws)
        account.new_key()
        self.accounts[cloud, name] = account
        return account

    def holder(self, cloud: Cloud, secret: Mapping[str, str]) -> tuple[Account, Key] | None:
        """Whose key a secret is; None for one that no account knows."""
        for account in self.accounts.values():
            for key in account.keys if account.cloud is cloud else ():
                if all(secret.get(name) == value for name, value in key.secret.items()):
                    return account, key
        return None

    # Time

    def moment(self) -> datetime:
        """Now as a date; of a step that runs, its own moment."""
        behind = self.clock.monotonic() - self.timeline.now
        now = self.clock.now()
        return now - timedelta(seconds=behind) if behind else now

    def stamp(self, site: Site) -> datetime:
        """The time that a cloud itself writes down: its clock may be wrong."""
        return self.moment() + timedelta(seconds=self.skew(site))

    def skew(self, site: Site) -> float:
        """Seconds that a cloud's clock is ahead."""
        facts = Facts(cloud=site.cloud.value, account=site.account, region=site.region)
        fault = self.faults.find((Kind.CLOCK,), facts, self.moment())
        return fault.value if fault else 0.0

    def pace(self, cloud: Cloud) -> Pace:
        """How long a cloud takes."""
        return self.settings.pace.get(cloud, TRAITS[cloud].pace)

    def consistency(self, cloud: Cloud) -> Consistency:
        """How far a cloud's listings lag."""
        return self.settings.consistency.get(cloud, AT_ONCE)

    # Truth

    def leads_to(self, public_ip: str) -> tuple[Site, ProviderId] | None:
        """The machine that a reserved address leads to now; None where it leads nowhere."""
        site, address = self.reserved.get(public_ip, (None, None))
        if site is None or address is None:
            return None
        for binding in site.shelf.users_of(address):
            for ref in binding.refs if binding.kind == "AddressBinding" else ():
                if ref != address:
                    return site, ref
        return None

    def new_id(self, site: Site, kind: str, about: object) -> ProviderId:
        """An id that depends on what is made and how often, not on the order of all makings."""
        place = (site.cloud, site.account, site.region, kind, about)
        self._made[place] += 1
        number = self.draws.hex(17, "id", *place, self._made[place])
        if kind == "MachineRole":
            number = f"{about}".replace("/", "-")[-80:] + f"-{number[:6]}"
        prefix = TRAITS[site.cloud].prefixes.get(kind, kind.lower().replace(" ", "-"))
        return ProviderId(f"{prefix}-{number}")

    def write(self, site: Site, history: History, thing: Thing) -> None:
        """A new truth of a thing, shown by listings when their lag is over."""
        lag = delay(self.consistency(site.cloud), self.draws, history, ended=False)
        now = self.timeline.now
        site.shelf.put(history, Version(thing, now, now + lag, thing.seen()))
        if thing.owner is not None and len(site.shelf.named.get(thing.owner, ())) > 1:
            self._note_double(site, thing)

    def remove(self, site: Site, thing_id: ProviderId) -> None:
        """A thing is gone; listings may show it for a while."""
        history = site.shelf.histories[thing_id]
        lag = delay(self.consistency(site.cloud), self.draws, history, ended=True)
        now = self.timeline.now
        site.shelf.put(history, Version(None, now, now + lag, None))
        self.timeline.after(lag + self.settings.retention, lambda: self._forget(site, thing_id))

    def note_touched(self, site: Site, things: tuple[ProviderId, ...], owner: Owner | None) -> None:
        """Remember a change that a cluster tied to things that are not its own."""
        for thing_id in things if owner is not None else ():
            thing = site.shelf.thing(thing_id)
            whose = thing.owner.cluster if thing is not None and thing.owner else None
            if owner is not None and thing is not None and whose != owner.cluster:
                self.record.touched.append(Touched(self.moment(), thing_id, owner.cluster))

    def tell(self, site: Site, thing: Thing, what: str, detail: str = "") -> None:
        """Tell the witnesses what became of a machine."""
        self.tell_notice(site, thing, what, detail, None)

    def tell_notice(
        self, site: Site, thing: Thing, what: str, detail: str, deadline: datetime | None
    ) -> None:
        """As `tell`, with the moment at which it will end."""
        machine = getattr(thing.resource, "machine", None) if thing.owner else None
        happening = Happening(self.moment(), what, site, thing.id, machine, detail, deadline)
        for witness in self.witnesses:
            witness.happened(happening)

    def _note_double(self, site: Site, thing: Thing) -> None:
        owner = thing.owner
        if owner is None:
            return
        things = tuple(site.shelf.named[owner])
        if not self.record.doubled or self.record.doubled[-1].things != things:
            self.record.doubled.append(Doubled(self.moment(), owner, things))

    def _forget(self, site: Site, thing_id: ProviderId) -> None:
        history = site.shelf.histories.get(thing_id)
        if history is not None and history.thing is None:
            site.shelf.drop(thing_id)
