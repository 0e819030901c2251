"""Safety rules that a sweep takes out on purpose, to prove that it finds the harm.

Nothing of this can be reached from the platform's settings: a rule is taken out of one simulated
world, by what that world's processes are given.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from holdfast.model.offering import Cloud
from holdfast.model.wake import Again
from holdfast.providers.sim.consistency import Consistency
from holdfast.providers.sim.provider import Care
from holdfast.providers.sim.world import Settings as CloudSettings
from holdfast.simulation.process import Process
from holdfast.simulation.sweep.modes import Mode
from holdfast.simulation.watch import EPOCH_OF
from holdfast.simulation.world import Settings
from holdfast.store.database import Tx
from holdfast.store.intents import Intent, Intents
from holdfast.store.leases import Lease

SLOW = CloudSettings(consistency={Cloud.AWS: Consistency(appear=20.0)})


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: where its lack does harm, and which breaches show that.

    without   the settings of a world without the rule
    mode, subject  what the sweep does, and to which effects: their label contains it
    """

    scenario: str
    mode: Mode
    subject: str
    breaches: frozenset[str]
    without: Settings


class _Unsaved(Intents):
    """Keeps no intent."""

    async def save(self, tx: Tx, *intents: Intent) -> None:
        """Nothing is kept."""


def _no_intents(process: Process) -> None:
    process.store.intents = _Unsaved()


def _no_epoch(process: Process) -> None:
    """Every write of a pass goes by whatever epoch holds now."""
    leases, disk = process.store.leases, process.disk
    finish = leases.finish

    async def guard(tx: Tx, lease: Lease) -> None:
        """Nothing is looked at."""

    async def renew(lease: Lease) -> Lease:
        return replace(lease, deadline=float("inf"))

    async def finished(lease: Lease, ok: bool, again: Again, tx: Tx | None = None) -> Again:  # noqa: FBT001
        (epoch,) = disk.raw.execute(EPOCH_OF, (lease.key,)).fetchone()
        return await finish(replace(lease, epoch=epoch), ok, again, tx)

    leases.guard, leases.renew, leases.finish = guard, renew, finished  # type: ignore[method-assign]


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "intent before call": Rule(
            "create",
            Mode.AFTER_UNRECORDED,
            "create aws/machine/",
            frozenset({"I10"}),
            Settings(weakened=_no_intents),
        ),
        "token": Rule(
            "create",
            Mode.LOST_RESPONSE,
            "create aws/machine/",
            frozenset({"I1"}),
            Settings(care=Care(tokens=False), clouds=SLOW),
        ),
        "fencing epoch": Rule(
            "create",
            Mode.ZOMBIE,
            "create aws/rule/",
            frozenset({"I11"}),
            Settings(weakened=_no_epoch),
        ),
    }
)


def world_without(rule: Rule, base: Settings) -> Settings:
    """The settings of a sweep's world, with the rule taken out of them."""
    out = rule.without
    return replace(base, care=out.care, weakened=out.weakened, clouds=out.clouds, rules=out.rules)
