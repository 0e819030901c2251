"""One call from the platform to a cloud: rate, keys, latency, faults, and who watches.

    issue -> before -> request travels -> the cloud acts, at one moment -> after -> answer travels

Between the two journeys nothing else can run: an effect is there completely or not at all.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from holdfast.model.ids import ClusterId, ProviderId
from holdfast.model.resource import VirtualMachine
from holdfast.providers import errors
from holdfast.providers.limits import BucketKey, Budget, Limits
from holdfast.providers.sim.account import Account, Key, Site
from holdfast.providers.sim.clouds import TRAITS, Why, refusal
from holdfast.providers.sim.effects import Effect
from holdfast.providers.sim.faults import Facts, Fault, Kind, as_error
from holdfast.providers.sim.making import Made
from holdfast.providers.sim.record import Call
from holdfast.providers.sim.world import World

# Faults of the way to the cloud and back; at most one of them hits a call.
ON_THE_WAY = (
    Kind.LOST_REQUEST,
    Kind.LOST_RESPONSE,
    Kind.LATE,
    Kind.DELAY,
    Kind.ERROR,
    Kind.THROTTLE,
    Kind.OUTAGE,
    Kind.PARTIAL,
    Kind.STALE_AFTER,
)
SKEW_REFUSED = 300.0  # seconds; clouds refuse signatures that are further off

Act = Callable[[Fault | None], Made]


@dataclass(frozen=True, slots=True)
class Change:
    """A changing call before it is made.

    group   bucket that counts it: "create-VirtualMachine"
    act     what the cloud does, at one moment; a fault of kind PARTIAL is handed in
    """

    verb: str
    subject: str
    cluster: ClusterId
    facts: Facts
    group: str
    budget: Budget
    act: Act
    token: str = ""
    parameters: str = ""

    @property
    def attempted(self) -> str:
        """For people and errors."""
        return f"{self.verb} {self.subject}"


@dataclass(frozen=True, slots=True)
class Line:
    """The connection of one key to its cloud in one region."""

    world: World
    account: Account
    key: Key
    site: Site
    limits: Limits | None = None

    # Changes

    async def change(self, change: Change) -> None:
        """Make a changing call. Raises a class of `providers.errors`, or what `effects` raises."""
        urgent = change.verb == "delete"
        await self.acquire(change.group, change.budget, urgent=urgent)
        world, effect = self.world, self._effect(change.verb, change.subject, change.cluster)
        fault = world.effects.before(effect)
        fault = fault or world.faults.take(ON_THE_WAY, change.facts, world.moment())
        await self.travel(change.verb, change.subject, change.cluster)
        if fault is not None and fault.kind in {Kind.LOST_REQUEST, Kind.LATE}:
            await self._unanswered(change, fault)
        if fault is not None and fault.kind is Kind.DELAY:
            await world.clock.sleep(fault.value)
        error = self._acted(change, fault)
        world.effects.after(effect, type(error).__name__ if error else "ok")
        await self.travel(change.verb, change.subject, change.cluster)
        if fault is not None and fault.kind is Kind.LOST_RESPONSE:
            await world.clock.sleep(fault.value)
            raise _silence(change)
        if error is not None:
            raise error

    def _acted(self, change: Change, fault: Fault | None) -> errors.ProviderError | None:
        """The cloud's one moment; returns its refusal."""
        world = self.world
        world.timeline.settle()
        partial = fault if fault is not None and fault.kind is Kind.PARTIAL else None
        try:
            self.gate(change.facts, change.attempted, change.group, change.budget)
            if fault is not None:
                self._injected(change.facts, fault, change.attempted)
            made = change.act(partial)
        except errors.ProviderError as error:
            self._note(change, type(error).__name__, None)
            return error
        self._note(change, made.outcome, made.thing)
        if fault is not None and fault.kind is Kind.STALE_AFTER:
            self._hide(made.thing, fault.value)
        return None

    def _hide(self, thing: ProviderId, seconds: float) -> None:
        """Listings do not show the last change of a thing for a while."""
        history = self.site.shelf.histories.get(thing)
        if history is not None and history.versions:
            last = history.versions[-1]
            last.visible_at = max(last.visible_at, self.world.timeline.now + seconds)

    async def _unanswered(self, change: Change, fault: Fault) -> None:
        """Nothing came back in time: nothing happened, or it will happen later."""
        world = self.world
        if fault.kind is Kind.LOST_REQUEST:
            self._note(change, "lost", None)
            await world.clock.sleep(fault.value)
        else:
            world.timeline.after(fault.value, lambda: self._later(change), late=True)
            await world.clock.sleep(min(fault.value, world.settings.patience))
        raise _silence(change)

    def _later(self, change: Change) -> None:
        try:
            self.gate(change.facts, change.attempted, change.group, None)
            made = change.act(None)
        except errors.ProviderError as error:
            self._note(change, f"late {type(error).__name__}", None)
        else:
            self._note(change, f"late {made.outcome}", made.thing)

    def _note(self, change: Change, outcome: str, thing: ProviderId | None) -> None:
        record = self.world.record
        record.calls.append(
            Call(
                number=len(record.calls) + 1,
                at=self.world.moment(),
                caller="platform",
                cloud=self.site.cloud.value,
                account=self.site.account,
                key=self.key.id,
                region=self.site.region,
                verb=change.verb,
                subject=change.subject,
                cluster=change.cluster,
                token=change.token,
                parameters=change.parameters,
                outcome=outcome,
                thing=thing,
            )
        )

    # What every call goes through

    def gate(self, facts: Facts, attempted: str, group: str, budget: Budget | None) -> None:
        """Key, region, clock, rights and rate, as the cloud looks at them; `budget` None: no rate.

        Raises CredentialsRejected, RequestRejected or Throttled.
        """
        self._known(attempted)
        world = self.world
        if self.site.region not in self.account.regions:
            detail = f"region {self.site.region} is not enabled for account {self.account.id}"
            raise errors.CredentialsRejected(attempted, "OptInRequired", detail)
        if world.faults.find((Kind.DENY,), facts, world.moment()) is not None:
            permission = right(facts.verb, facts.thing)
            detail = f"{self.key.id} may not {permission}"
            code = TRAITS[self.site.cloud].codes[Why.DENIED]
            raise errors.CredentialsRejected(attempted, code, detail, permission)
        if budget is None or not world.settings.rates:
            return
        if not self.account.meter(self.site.region, group, budget).take(world.timeline.now):
            world.record.refused[self.account.id, self.site.region, group] += 1
            raise self._throttled(attempted, None)

    def _known(self, attempted: str) -> None:
        if not self.key.is_valid:
            raise refusal(self.site.cloud, Why.KEY, attempted, f"key {self.key.id} is not valid")
        skew = self.world.skew(self.site)
        if abs(skew) > SKEW_REFUSED:
            side = "behind" if skew > 0 else "ahead of"
            detail = (
                f"this machine's clock is {abs(skew):.0f} s {side} the cloud's, which refuses "
                f"signatures that are more than {SKEW_REFUSED:.0f} s off"
            )
            raise refusal(self.site.cloud, Why.KEY, attempted, detail)

    def _injected(self, facts: Facts, fault: Fault, attempted: str) -> None:
        """Raise what a fault stands for."""
        if fault.kind is Kind.ERROR:
            raise as_error(fault, attempted)
        if fault.kind is Kind.THROTTLE:
            raise self._throttled(attempted, fault)
        if fault.kind is Kind.OUTAGE:
            where = facts.zone or self.site.region
            detail = fault.detail or f"the service is not available in {where}"
            raise refusal(self.site.cloud, Why.LATER, attempted, detail)

    def _throttled(self, attempted: str, fault: Fault | None) -> errors.Throttled:
        code = TRAITS[self.site.cloud].codes[Why.THROTTLED]
        asked = timedelta(seconds=fault.value) if fault is not None and fault.value else None
        return errors.Throttled(attempted, code, "too many calls", asked)

    async def acquire(self, group: str, budget: Budget, *, urgent: bool = False) -> None:
        """Wait for the platform's own bucket."""
        if self.limits is not None:
            await self.limits.acquire(self.bucket(group), budget, urgent=urgent)

    def answered(self, group: str, budget: Budget, error: errors.ProviderError | None) -> None:
        """Tell the platform's own bucket how a call went."""
        if self.limits is None:
            return
        if isinstance(error, errors.Throttled):
            self.limits.slow(self.bucket(group), budget, error.retry_after)
        else:
            self.limits.went_well(self.bucket(group))

    def bucket(self, group: str) -> BucketKey:
        """Which bucket counts a group of calls."""
        return BucketKey(self.account.id, self.site.region, f"{self.site.cloud.value}:{group}")

    async def travel(self, *about: object) -> None:
        """Half of a call's time."""
        latency = self.world.settings.latency
        if latency:
            half = latency / 2 * (0.5 + self.world.draws.unit("latency", *about))
            await self.world.clock.sleep(half)

    # Readings

    def read(self, facts: Facts, listing: str, cluster: ClusterId, budget: Budget) -> Fault | None:
        """The cloud's one moment of a reading; returns the fault that bends its answer.

        Raises a class of `providers.errors` where there is no answer.
        """
        world, attempted = self.world, f"list {listing}"
        effect = self._effect("observe", listing, cluster)
        fault = world.effects.reading(effect)
        fault = fault or world.faults.take((*ON_THE_WAY, Kind.STALE), facts, world.moment())
        place = (self.site.cloud.value, self.account.id, self.site.region, listing)
        world.record.reads[place] += 1
        self.gate(facts, attempted, f"list-{listing}", budget)
        if fault is None:
            return None
        if fault.kind in {Kind.LOST_REQUEST, Kind.LOST_RESPONSE, Kind.LATE, Kind.PARTIAL}:
            raise errors.Unavailable(attempted, "", "no answer, or only a part of one")
        self._injected(facts, fault, attempted)
        return fault

    def _effect(self, verb: str, subject: str, cluster: ClusterId) -> Effect:
        return Effect(f"cloud/{self.site.cloud.value}", verb, subject, cluster)

    def facts(self, verb: str, resource: object = None, *subjects: str) -> Facts:
        """What faults may say about a call."""
        found = Facts(
            cloud=self.site.cloud.value,
            account=self.account.id,
            region=self.site.region,
            zone=getattr(resource, "zone", ""),
            verb=verb,
            thing="" if resource is None else type(resource).__name__,
            subjects=subjects,
        )
        if isinstance(resource, VirtualMachine):
            key = resource.offering
            market = key.capacity_type.value
            return replace(found, zone=key.zone, type=key.instance_type, market=market)
        return found


def right(verb: str, thing: str) -> str:
    """The name of a permission of the simulated clouds: "create-VirtualMachine"."""
    return f"{verb}-{thing}" if thing else verb


def _silence(change: Change) -> errors.ProviderError:
    """No answer: of a create nothing is known; a delete may be repeated."""
    detail = "the connection ended before an answer came"
    if change.verb == "create":
        return errors.OutcomeUnknown(change.attempted, "", detail)
    return errors.Unavailable(change.attempted, "", detail)
