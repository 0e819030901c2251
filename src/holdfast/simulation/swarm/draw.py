"""A plan from a seed: which world, which people, which trouble, and when."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from holdfast.model.offering import Cloud
from holdfast.providers.sim.consistency import Consistency
from holdfast.providers.sim.faults import Fault, Kind
from holdfast.simulation.swarm.steps import Deed, Ground, Plan, Step
from holdfast.simulation.time import SeededChance

T = TypeVar("T")

SPAN = 2400.0  # virtual seconds in which things happen
FIRST = 240.0  # seconds within which the first cluster is asked for and stands, as a rule
LONGEST_LAG = 45.0  # of a listing: within the shortest window that a simulated cloud promises
VERBS = ("create", "delete", "observe", "*")
THINGS = ("VirtualMachine", "Subnet", "FirewallGroup", "Address", "Network", "*")
CLOUDS = (
    (Cloud.AWS,),
    (Cloud.AWS,),
    (Cloud.GCP,),
    (Cloud.AZURE,),
    (Cloud.AWS, Cloud.GCP),
)
ERRORS = ("Unavailable", "Throttled", "OutcomeUnknown")
CPUS = "L-1216C47A"  # the quota of on-demand vCPUs
SPOT_CPUS = "L-34B43A08"


def plan(seed: int) -> Plan:
    """The plan of a seed: the same one, always."""
    chance = SeededChance(f"swarm {seed}")
    steps = [*_people(chance), *_trouble(chance)]
    return Plan(seed, _ground(chance), tuple(sorted(steps, key=lambda step: step.at)))


def _ground(chance: SeededChance) -> Ground:
    lag = Consistency()
    if _likely(chance, 0.5):
        lag = Consistency(
            appear=_round(chance.between(1.0, LONGEST_LAG) * chance.random()),
            vanish=_round(chance.between(1.0, LONGEST_LAG) * chance.random()),
            flicker=_one(chance, (0.0, 0.0, 0.2)),
        )
    return Ground(
        clouds=_one(chance.fork("clouds"), CLOUDS),
        consistency=lag,
        latency=_one(chance, (0.05, 0.2, 0.2, 1.0, 3.0)),
        slow=_one(chance, (0.5, 1.0, 1.0, 2.0, 4.0)),
        reuse=_likely(chance, 0.3),
        restart_after=_one(chance, (1.0, 5.0, 60.0, 400.0)),
    )


def _people(chance: SeededChance) -> list[Step]:
    """One to three clusters; some are deleted, also while they are made."""
    steps = [_asked(chance, number) for number in range(_one(chance, (1, 1, 2, 3)))]
    steps += [
        Step(_when(chance), Deed.DELETE, which=_number(chance))
        for _ in range(_one(chance, (0, 0, 1, 1, 2)))
    ]
    if _likely(chance, 0.3):
        steps.append(Step(_when(chance), Deed.RECONCILE, which=_number(chance)))
    return steps


def _asked(chance: SeededChance, number: int) -> Step:
    """The first cluster is asked for at once, others later."""
    return Step(
        0.0 if number == 0 else _round(chance.between(0.0, SPAN / 2)),
        Deed.CREATE,
        which=_one(chance, (1, 1, 1, 3)),
        value=float(_one(chance, (1, 2, 2, 3, 5))),
        spot=_likely(chance, 0.4),
    )


def _trouble(chance: SeededChance) -> list[Step]:
    return [_one(chance, KINDS)(chance) for _ in range(_one(chance, (1, 2, 3, 4, 6, 8)))]


# One function for each kind of trouble


def _lost(chance: SeededChance) -> Step:
    """A few calls without an answer, or with half of what was asked for."""
    kind = _one(chance, (Kind.LOST_REQUEST, Kind.LOST_RESPONSE, Kind.LATE, Kind.PARTIAL))
    late = _round(chance.between(1.0, 300.0)) if kind is Kind.LATE else 0.0
    verb = _one(chance, ("create", "create", "delete"))
    count = _one(chance, (1, 1, 2, 5))
    fault = Fault(kind, verb=verb, thing=_one(chance, THINGS), value=late, count=count)
    return _in_force(chance, fault)


def _error(chance: SeededChance) -> Step:
    """Calls that the cloud refuses for a while."""
    verb, count = _one(chance, VERBS), _one(chance, (1, 3, 10))
    if _likely(chance, 0.4):
        wait = _round(chance.between(1.0, 30.0))
        return _in_force(chance, Fault(Kind.THROTTLE, verb=verb, value=wait, count=count))
    return _in_force(chance, Fault(Kind.ERROR, verb=verb, error=_one(chance, ERRORS), count=count))


def _outage(chance: SeededChance) -> Step:
    """A part of the cloud's API does not work."""
    thing = _one(chance, ("*", "*", "VirtualMachine", "FirewallGroup"))
    return _in_force(chance, Fault(Kind.OUTAGE, verb=_one(chance, VERBS), thing=thing))


def _old(chance: SeededChance) -> Step:
    """Listings that are old, or lack what was just done."""
    if _likely(chance, 0.5):
        lag = _round(chance.between(5.0, LONGEST_LAG))
        fault = Fault(Kind.STALE_AFTER, verb="*", value=lag, count=_one(chance, (1, 3, 8)))
        return _in_force(chance, fault)
    old = Fault(Kind.STALE, verb="observe", value=_round(chance.between(5.0, LONGEST_LAG)))
    return _in_force(chance, old, longest=LONGEST_LAG)


def _slow(chance: SeededChance) -> Step:
    """Calls that take long."""
    wait = _round(chance.between(2.0, 60.0))
    return _in_force(chance, Fault(Kind.DELAY, verb=_one(chance, VERBS), value=wait, count=10))


def _drought(chance: SeededChance) -> Step:
    """Machines that cannot be had, told by the catalogue or not, or beyond the quota."""
    code = _one(chance, (CPUS, SPOT_CPUS))
    market = _one(chance, ("*", "spot", "on-demand"))
    return _in_force(
        chance,
        _one(
            chance,
            (
                Fault(Kind.SOLD_OUT, market=market),
                Fault(Kind.SOLD_OUT, zone="*a"),
                Fault(Kind.CAPACITY, market=market, value=float(_one(chance, (0, 1, 3)))),
                Fault(Kind.QUOTA, type=code, value=float(_one(chance, (0, 4, 8)))),
            ),
        ),
    )


def _bad_start(chance: SeededChance) -> Step:
    """Machines that end instead of booting, an image that is withdrawn, a clock that is wrong."""
    skew = _one(chance, (-90.0, 45.0))
    return _in_force(
        chance,
        _one(
            chance,
            (
                Fault(Kind.BOOT_FAILS, count=_one(chance, (1, 2))),
                Fault(Kind.CLOCK, value=skew),
                Fault(Kind.PRICE, value=_one(chance, (0.5, 3.0))),
            ),
        ),
    )


def _machine(chance: SeededChance) -> Step:
    """A machine is lost, stands still, or cannot be reached."""
    deed = _one(chance, (Deed.KILL, Deed.FREEZE, Deed.CUT, Deed.STOP))
    seconds = _round(chance.between(10.0, 1500.0)) if deed in {Deed.FREEZE, Deed.CUT} else 0.0
    return Step(_when(chance), deed, which=_number(chance), seconds=seconds)


def _spot(chance: SeededChance) -> Step:
    deed = _one(chance, (Deed.NOTICE, Deed.SILENT, Deed.STORM))
    share = _one(chance, (0.3, 1.0)) if deed is Deed.STORM else 0.0
    return Step(_when(chance), deed, which=_number(chance), value=share)


def _zone(chance: SeededChance) -> Step:
    return Step(_when(chance), Deed.ZONE, which=_number(chance))


def _api(chance: SeededChance) -> Step:
    """A cluster's own API hangs or is slow."""
    deed, seconds = _one(chance, (Deed.API_AWAY, Deed.API_SLOW)), _length(chance)
    slow = _one(chance, (1.0, 8.0, 40.0)) if deed is Deed.API_SLOW else 0.0
    return Step(_when(chance), deed, which=_number(chance), value=slow, seconds=seconds)


def _key(chance: SeededChance) -> Step:
    return Step(_when(chance), Deed.REVOKE, seconds=_length(chance))


def _others(chance: SeededChance) -> Step:
    """Other people's hands: they delete a thing of ours, or put a machine into our subnet."""
    if _likely(chance, 0.6):
        return Step(_when(chance), Deed.TAKE, which=_number(chance))
    return Step(_when(chance), Deed.STRANGER, which=_number(chance), seconds=_length(chance))


def _crash(chance: SeededChance) -> Step:
    """The platform dies at some effect that follows."""
    side = float(_one(chance, (0, 1)))
    return Step(_when(chance), Deed.CRASH, which=1 + _number(chance) % 40, value=side)


KINDS: Sequence[Callable[[SeededChance], Step]] = (
    _lost,
    _lost,
    _error,
    _outage,
    _old,
    _slow,
    _drought,
    _bad_start,
    _machine,
    _machine,
    _spot,
    _zone,
    _api,
    _key,
    _others,
    _crash,
    _crash,
)


def _in_force(chance: SeededChance, fault: Fault, longest: float = SPAN / 3) -> Step:
    seconds = min(longest, _length(chance))
    return Step(_when(chance), Deed.FAULT, seconds=seconds, fault=fault)


def _when(chance: SeededChance) -> float:
    """Half of the time while the first cluster is made, when most happens at once."""
    return _round(chance.between(0.0, FIRST if _likely(chance, 0.5) else SPAN))


def _length(chance: SeededChance) -> float:
    return _round(chance.between(5.0, SPAN / 3) * chance.random())


def _number(chance: SeededChance) -> int:
    return int(chance.random() * 1000)


def _likely(chance: SeededChance, share: float) -> bool:
    return chance.random() < share


def _one(chance: SeededChance, choices: Sequence[T]) -> T:
    return choices[int(chance.random() * len(choices))]


def _round(number: float) -> float:
    return round(number, 1)
