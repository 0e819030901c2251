"""All things of one account in one region, with an index for every question that is asked often."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from holdfast.model.ids import ClusterId, InstallationId, ProviderId
from holdfast.providers.sim.things import History, Owner, Place, Thing, Version

Ids = dict[ProviderId, None]  # an ordered set
Histories = dict[ProviderId, History]


@dataclass(frozen=True, slots=True)
class Asked:
    """What an idempotency key was first used for, and what it made."""

    parameters: str
    thing: ProviderId


@dataclass(slots=True)
class Shelf:
    """The truth of one account and region; changed by `put` and `drop` alone.

    owned   everything with our tags that listings may show: installation -> cluster -> id
    users   living things that need a living thing
    aliens  living things of others that need one of a cluster's: they are shown as Foreign
    named   living things by intent
    used    of quotas, by code
    """

    histories: Histories = field(default_factory=dict)
    owned: dict[InstallationId, dict[ClusterId, Histories]] = field(default_factory=dict)
    users: dict[ProviderId, Ids] = field(default_factory=dict)
    aliens: dict[tuple[InstallationId, ClusterId], Ids] = field(default_factory=dict)
    named: dict[Owner, Ids] = field(default_factory=dict)
    places: dict[Place, ProviderId] = field(default_factory=dict)
    tokens: dict[str, Asked] = field(default_factory=dict)
    used: Counter[str] = field(default_factory=Counter)
    leases: dict[ProviderId, dict[int, None]] = field(default_factory=dict)  # addresses in subnets

    def thing(self, thing_id: ProviderId) -> Thing | None:
        """The truth of one thing; None if it is not there, or no longer."""
        history = self.histories.get(thing_id)
        return history.thing if history else None

    def living(self, thing_id: ProviderId) -> Thing | None:
        """As `thing`, but None also for a machine that ended."""
        found = self.thing(thing_id)
        return found if found is not None and found.is_alive else None

    def users_of(self, thing_id: ProviderId) -> tuple[Thing, ...]:
        """The living things that need one."""
        found = (self.living(user) for user in self.users.get(thing_id, ()))
        return tuple(user for user in found if user is not None)

    def of_cluster(self, installation: InstallationId, cluster: ClusterId) -> Histories:
        """Everything of a cluster that listings may show."""
        return self.owned.get(installation, {}).get(cluster, {})

    def put(self, history: History, version: Version) -> None:
        """A new truth of a thing."""
        before = history.thing
        if before is not None and before.is_alive:
            self._unindex(history, before)
        history.add(version)
        self.histories[history.id] = history
        if version.thing is not None and version.thing.is_alive:
            self._index(history, version.thing)

    def drop(self, thing_id: ProviderId) -> None:
        """Forget a thing that no listing shows any more."""
        history = self.histories.pop(thing_id)
        for owner in {v.thing.owner: None for v in history.versions if v.thing is not None}:
            if owner is None:
                continue
            clusters = self.owned.get(owner.installation, {})
            mine = clusters.get(owner.cluster, {})
            mine.pop(thing_id, None)
            if not mine:
                clusters.pop(owner.cluster, None)

    def _index(self, history: History, thing: Thing) -> None:
        for ref in thing.refs:
            self.users.setdefault(ref, {})[thing.id] = None
        for place in history.places:
            self.places[place] = thing.id
        for code, amount in history.units:
            self.used[code] += amount
        if thing.owner is None:
            for holder in self._held_clusters(thing):
                self.aliens.setdefault(holder, {})[thing.id] = None
            return
        self.named.setdefault(thing.owner, {})[thing.id] = None
        clusters = self.owned.setdefault(thing.owner.installation, {})
        clusters.setdefault(thing.owner.cluster, {})[thing.id] = history

    def _unindex(self, history: History, thing: Thing) -> None:
        for ref in thing.refs:
            _discard(self.users, ref, thing.id)
        for place in history.places:
            self.places.pop(place, None)
        for code, amount in history.units:
            self.used[code] -= amount
        if thing.owner is not None:
            _discard(self.named, thing.owner, thing.id)
        else:
            for holder in self._held_clusters(thing):
                _discard(self.aliens, holder, thing.id)

    def _held_clusters(self, thing: Thing) -> dict[tuple[InstallationId, ClusterId], None]:
        found: dict[tuple[InstallationId, ClusterId], None] = {}
        for ref in thing.refs:
            held = self.thing(ref)
            if held is not None and held.owner is not None:
                found[held.owner.installation, held.owner.cluster] = None
        return found


def _discard(index: dict[Any, Ids], key: object, thing_id: ProviderId) -> None:
    ids = index.get(key)
    if ids is None:
        return
    ids.pop(thing_id, None)
    if not ids:
        del index[key]
