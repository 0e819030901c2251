"""The connection of one key to its cloud: rate, latency, and the checks that every call meets."""

from dataclasses import dataclass, replace
from datetime import timedelta

from holdfast.model.resource import VirtualMachine
from holdfast.providers import errors
from holdfast.providers.limits import BucketKey, Budget, Limits
from holdfast.providers.sim.account import Account, Key, Site
from holdfast.providers.sim.clouds import TRAITS, Why, refusal
from holdfast.providers.sim.faults import Facts, Fault, Kind, as_error
from holdfast.providers.sim.world import World

SKEW_REFUSED = 300.0  # seconds; clouds refuse signatures that are further off
UNANSWERED = {Kind.LOST_REQUEST, Kind.LOST_RESPONSE, Kind.LATE, Kind.PARTIAL}


@dataclass(frozen=True, slots=True)
class Line:
    """One key, one region; `limits` are the platform's own buckets, None for none."""

    world: World
    account: Account
    key: Key
    site: Site
    limits: Limits | None = None

    def gate(self, facts: Facts, attempted: str, group: str, budget: Budget | None) -> None:
        """Key, region, clock, rights and rate, as the cloud looks at them; `budget` None: no rate.

        Raises CredentialsRejected, RequestRejected or Throttled.
        """
        self.known(attempted)
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
        group = self._shared(group)
        if not self.account.meter(self.site.region, group, budget).take(world.timeline.now):
            world.record.refused[self.account.id, self.site.region, group] += 1
            raise self._throttled(attempted, None)

    def known(self, attempted: str) -> None:
        """The key is valid and the clocks agree. Raises CredentialsRejected."""
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

    def injected(self, facts: Facts, fault: Fault, attempted: str) -> None:
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
        cloud = self.site.cloud.value
        return BucketKey(self.account.id, self.site.region, f"{cloud}:{self._shared(group)}")

    def _shared(self, group: str) -> str:
        return "all" if TRAITS[self.site.cloud].one_bucket else group

    async def travel(self, *about: object) -> None:
        """Half of a call's time."""
        latency = self.world.settings.latency
        if latency:
            half = latency / 2 * (0.5 + self.world.draws.unit("latency", *about))
            await self.world.clock.sleep(half)

    def bent(self, facts: Facts, fault: Fault | None, attempted: str) -> None:
        """Raise what a fault makes of an answer that changes nothing."""
        if fault is None:
            return
        if fault.kind in UNANSWERED:
            raise errors.Unavailable(attempted, "", "no answer, or only a part of one")
        self.injected(facts, fault, attempted)

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
