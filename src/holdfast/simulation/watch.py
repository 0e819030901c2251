"""Invariants at every effect: intent first, one writer, quorum, blindness, breaker.

The witness is the outside: the disk, the clouds' truth, the clusters' etcd; never the platform's
memory. What can be judged at the end only is in `invariants`.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from holdfast.model.ids import ClusterId, MachineId
from holdfast.model.observed import Life
from holdfast.planner.breaker import Place, allowance, words
from holdfast.providers.sim.effects import Effect
from holdfast.providers.sim.faults import Facts, Fault, Kind
from holdfast.simulation.machines import Guest
from holdfast.simulation.time import EPOCH, tenant

if TYPE_CHECKING:
    from holdfast.simulation.world import Simulation

INTENT = "SELECT 1 FROM intents WHERE cluster = ? AND name = ?"
LEASE = "SELECT lease_owner, lease_until FROM wakes WHERE key = ?"
EPOCH_OF = "SELECT epoch FROM wakes WHERE key = ?"
DELETING = "SELECT delete_asked_at, breaker_released_at FROM clusters WHERE id = ?"
WANTED = "SELECT id FROM machines WHERE cluster = ? AND written_off_at IS NULL"
# A user wanted it gone or replaced, and it left its work.
LEAVING = "SELECT 1 FROM machines WHERE id = ? AND leaving_at IS NOT NULL"
SUSPECTED_WITHIN = timedelta(minutes=10)
RELEASED_FOR = timedelta(hours=1)  # what a user called lost is replaced by then
SEEN_BLIND = timedelta(minutes=2)  # a pass that began before the fault may still act on what it saw


@dataclass(frozen=True, slots=True)
class Breach:
    """An invariant that did not hold."""

    invariant: str  # "I10"
    at: float
    text: str

    def __str__(self) -> str:
        return f"{self.invariant} at {self.at:.3f}: {self.text}"


@dataclass(slots=True)
class Watch:
    """A watcher of effects; put it into the hub before the story begins."""

    world: "Simulation"
    breaches: list[Breach] = field(default_factory=list)
    _suspected: dict[tuple[ClusterId, Place], dict[MachineId, datetime]] = field(
        default_factory=dict
    )

    def before(self, number: int, effect: Effect) -> Fault | None:  # noqa: ARG002
        """The platform issues an effect."""
        if effect.port.startswith("cloud/"):
            self._cloud(effect)
        elif effect.port == "store":
            self._fenced(effect)
        return None

    def after(self, number: int, effect: Effect, outcome: str) -> None:  # noqa: ARG002
        """It was applied."""
        for cluster in self.world.kubernetes.clusters.values():
            learners = sum(member.is_learner for member in cluster.members.values())
            if learners > 1:
                self._breach("I6", f"{learners} control planes join etcd at once")

    def reading(self, effect: Effect) -> Fault | None:  # noqa: ARG002
        """Readings change nothing."""
        return None

    def _cloud(self, effect: Effect) -> None:
        self._one_writer(effect)
        if effect.verb == "create":
            self._intent_first(effect)
        else:
            self._not_blind(effect)
        if effect.verb == "delete" and "/machine/" in effect.subject:
            self._removal(effect)

    def _intent_first(self, effect: Effect) -> None:
        row = self.world.disk.raw.execute(INTENT, (effect.cluster, effect.subject)).fetchone()
        if row is None:
            self._breach("I10", f"{effect.label} without a saved intent")

    def _one_writer(self, effect: Effect) -> None:
        row = self.world.disk.raw.execute(LEASE, (f"cluster:{effect.cluster}",)).fetchone()
        owner, until = row or (None, None)
        issuer = tenant()
        name = issuer.name if issuer else f"process {self.world.platform.number}"
        mine = name.replace("process ", "simulated:")
        if owner != mine:
            self._breach("I11", f"{effect.label} by {mine} while {owner} holds the lease")
        elif until is None or _moment(until) < self.world.clock.now():
            self._breach("I11", f"{effect.label} after the lease ended at {until}")

    def _fenced(self, effect: Effect) -> None:
        """A guarded write goes by the lease that holds now."""
        if self.world.disk.claim is None:
            return
        key, epoch = self.world.disk.claim
        row = self.world.disk.raw.execute(EPOCH_OF, (key,)).fetchone()
        if row is not None and row[0] != epoch:
            text = f"{effect.label}goes by epoch {epoch} of {key}, whose epoch is {row[0]}"
            self._breach("I11", text)

    def _not_blind(self, effect: Effect) -> None:
        """Nothing is removed while its own listing does not work."""
        asked = self._said(effect.cluster)[0]
        kind = "machines" if "/machine/" in effect.subject else ""
        guest = self._guest(effect)
        facts = Facts(
            cloud=effect.port.partition("/")[2],
            account="*",
            zone=guest.resource.offering.zone if guest else "",
            verb="observe",
            thing="VirtualMachine" if kind else "",
            subjects=(kind,),
        )
        now = self.world.clock.now()
        kinds = (Kind.OUTAGE, Kind.HIDDEN)
        for fault in self.world.clouds.faults.each(kinds, facts, now):
            lasts = fault.since is not None and now - fault.since > SEEN_BLIND
            if fault.verb == "observe" and lasts and not asked:
                self._breach("I14", f"{effect.label} while its listing does not work ({fault.id})")

    def _removal(self, effect: Effect) -> None:
        guest = self._guest(effect)
        asked, released = self._said(effect.cluster)
        if guest is None or asked:
            return
        self._keeps_quorum(effect, guest)
        thing = guest.site.shelf.thing(guest.thing)
        announced = guest.notice is not None or thing is None or thing.life is not Life.PRESENT
        row = self.world.disk.raw.execute(LEAVING, (guest.machine,)).fetchone()
        if announced or row is not None:
            return
        now = self.world.clock.now()
        if released is not None and now - released < RELEASED_FOR:
            return
        offering = guest.resource.offering
        for place in ((offering.cloud.value, offering.zone), (offering.cloud.value,), ()):
            self._in_place(effect, guest.machine, place)

    def _in_place(self, effect: Effect, machine: MachineId, place: Place) -> None:
        """One running machine more is removed in a zone, in a cloud, in a cluster; a call that is
        repeated, since nobody knows what became of it, removes no other one."""
        now = self.world.clock.now()
        removed = self._suspected.setdefault((effect.cluster, place), {})
        removed.setdefault(machine, now)
        recent = sum(now - at < SUSPECTED_WITHIN for at in removed.values())
        machines = self._wanted(effect.cluster, place)
        most = allowance(machines, self.world.settings.rules)
        if recent > most:
            text = f"{recent} running machines of {words(place)} removed within"
            told = f"{text} {SUSPECTED_WITHIN}, the breaker allows {most} of {machines}"
            self._breach("I16", f"{effect.label}: {told}")

    def _wanted(self, cluster: ClusterId, place: Place) -> int:
        """How many machines shall be in a place, by the disk and the guests' own word."""
        found = 0
        for (machine,) in self.world.disk.raw.execute(WANTED, (cluster,)):
            guest = self.world.machines.guests.get(machine)
            offering = guest.resource.offering if guest else None
            where = (offering.cloud.value, offering.zone) if offering else ()
            found += where[: len(place)] == place
        return found

    def _guest(self, effect: Effect) -> Guest | None:
        machine = MachineId(effect.subject.rpartition("/")[2])
        return self.world.machines.guests.get(machine)

    def _keeps_quorum(self, effect: Effect, guest: Guest) -> None:
        cluster = self.world.kubernetes.clusters.get(guest.cluster)
        if cluster is None or not guest.lives or guest.machine not in cluster.voters:
            return
        living, voters = cluster.living - 1, len(cluster.voters)
        if living <= voters // 2:
            self._breach("I6", f"{effect.label} leaves {living} of {voters} members of etcd")

    def _said(self, cluster: ClusterId) -> tuple[bool, datetime | None]:
        """Whether a user asked for the deletion, and when one released the breaker."""
        asked, released = self.world.disk.raw.execute(DELETING, (cluster,)).fetchone() or (
            None,
            None,
        )
        return asked is not None, _moment(released) if released else None

    def _breach(self, invariant: str, text: str) -> None:
        self.breaches.append(Breach(invariant, self.world.clock.monotonic(), text))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=EPOCH.tzinfo)
