"""The stories that a world can play: what people, clouds and machines do; the platform answers.

Each ends when the world is quiet. `play` in `run` opens the world, plays and judges.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from holdfast.kube.sim.objects import Budget, Deployment, Requests
from holdfast.model.ids import ClusterId
from holdfast.model.offering import Cloud
from holdfast.model.resource import Role
from holdfast.providers.sim import spot, truth
from holdfast.providers.sim.faults import Fault, Kind
from holdfast.providers.sim.strangers import Stranger
from holdfast.simulation.invariants import Expected, installation
from holdfast.simulation.machines import Guest
from holdfast.simulation.quiet import until_quiet
from holdfast.simulation.world import Simulation

OUTAGE = timedelta(minutes=8)
REVOKED = 600.0  # seconds
BLOCKED = 1800.0  # seconds that a scenario gives a deletion to say that it is blocked

REPLACED = 3600.0  # seconds within which a machine that is of no use must have gone


class Broken(Exception):
    """A story did not go as it must; `invariant` says what that breaks."""

    def __init__(self, invariant: str, text: str) -> None:
        super().__init__(text)
        self.invariant = invariant


Story = Callable[[Simulation], Awaitable[Expected]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story by its name, in one sentence."""

    name: str
    about: str
    story: Story


async def _created(
    world: Simulation, control_planes: int = 1, workers: int = 2, *, spot: bool = False
) -> ClusterId:
    """A cluster that is Ready and quiet."""
    await world.user.connect(Cloud.AWS)
    cluster = await world.user.create("web", control_planes, workers, spot=spot)
    await until_quiet(world)
    return cluster


def _of_role(world: Simulation, cluster: ClusterId, role: Role) -> list[Guest]:
    return [guest for guest in world.guests(cluster) if guest.resource.role is role]


async def _create(world: Simulation) -> Expected:
    await _created(world)
    return Expected(is_calm=True)


async def _neighbours(world: Simulation) -> Expected:
    """Four clusters of one account at once; one is deleted, the others do not notice."""
    await world.user.connect(Cloud.AWS)
    made = [await world.user.create(f"web-{number}", 1, 1) for number in range(4)]
    await until_quiet(world)
    await world.user.delete(made[0])
    await until_quiet(world)
    return Expected()


async def _create_three(world: Simulation) -> Expected:
    """Three control planes are spread over three zones."""
    await _created(world, control_planes=3)
    return Expected(is_calm=True)


async def _heal_worker(world: Simulation) -> Expected:
    cluster = await _created(world)
    _with_pods(world, cluster)
    await until_quiet(world)
    lost = _of_role(world, cluster, Role.WORKER)[0]
    world.transcript.note(f"somebody terminates {lost.resource.hostname}")
    Stranger(world.clouds, lost.site).delete(lost.thing)
    await until_quiet(world)
    return Expected(is_calm=True, lost=1)


async def _heal_frozen(world: Simulation) -> Expected:
    """The cloud goes on to call the machine running: node and agent must both be silent."""
    cluster = await _created(world)
    _with_pods(world, cluster)
    lost = _of_role(world, cluster, Role.WORKER)[0]
    world.transcript.note(f"{lost.resource.hostname} stands still")
    world.machines.freeze(lost.machine)
    await _gone(world, lost)
    await until_quiet(world)
    return Expected(is_calm=True, lost=1)


async def _heal_control_plane(world: Simulation) -> Expected:
    cluster = await _created(world, control_planes=3)
    lost = _of_role(world, cluster, Role.CONTROL_PLANE)[0]
    world.transcript.note(f"somebody terminates {lost.resource.hostname}")
    Stranger(world.clouds, lost.site).delete(lost.thing)
    await until_quiet(world)
    return Expected(is_calm=True, lost=1)


async def _spot_storm(world: Simulation) -> Expected:
    cluster = await _created(world, workers=4, spot=True)
    _with_pods(world, cluster)
    await until_quiet(world)
    site = world.guests(cluster)[0].site
    struck = spot.storm(world.clouds, site)
    world.transcript.note(f"the cloud takes {len(struck)} spot machines back")
    await until_quiet(world)
    return Expected(is_calm=True, lost=len(struck))


async def _vanish(world: Simulation) -> Expected:
    """A worker is missing from every listing, without a word of its end."""
    cluster = await _created(world)
    lost = _of_role(world, cluster, Role.WORKER)[0]
    world.transcript.note(f"{lost.resource.hostname} vanishes")
    Stranger(world.clouds, lost.site).delete(lost.thing)
    fault = Fault(Kind.HIDDEN, cloud="aws", subject=lost.thing)
    world.clouds.faults.add(fault)
    await until_quiet(world)
    return Expected(lost=1)


async def _delete(world: Simulation) -> Expected:
    cluster = await _created(world)
    await world.user.delete(cluster)
    await until_quiet(world)
    return Expected(is_calm=True)


async def _delete_with_foreigner(world: Simulation) -> Expected:
    """Somebody's machine in our subnet blocks it: it fails visibly, and ends when that one goes."""
    cluster = await _created(world)
    site = world.guests(cluster)[0].site
    here = installation(world)
    ours = {thing.kind: thing for _, thing in truth.ours(world.clouds, here, cluster)}
    foreign = Stranger(world.clouds, site).machine(ours["Subnet"].id, ours["FirewallGroup"].id)
    while truth.outstanding(world.clouds):
        await world.clock.sleep(5.0)
    digest = truth.foreign_digest(world.clouds, here)
    await world.user.delete(cluster)
    if not await world.user.wait_for(cluster, "failed", BLOCKED):
        raise Broken("I4", "the deletion is blocked and never said so")
    if truth.foreign_digest(world.clouds, here) != digest:
        raise Broken("I3", "something foreign changed while the deletion was blocked")
    world.transcript.note("the foreigner leaves")
    Stranger(world.clouds, site).delete(foreign)
    await until_quiet(world)
    return Expected()


async def _revoked(world: Simulation) -> Expected:
    """The key is revoked while the cluster is made, and valid again ten minutes later."""
    await world.user.connect(Cloud.AWS)
    await world.user.create("web")
    account = next(iter(world.clouds.accounts.values()))
    while not any(call.verb == "create" for call in world.clouds.record.calls):
        await world.clock.sleep(0.5)
    world.transcript.note("the key is revoked")
    account.keys[0].is_valid = False
    await world.clock.sleep(REVOKED)
    world.transcript.note("the key is valid again")
    account.keys[0].is_valid = True
    await until_quiet(world)
    return Expected()


async def _outage(world: Simulation) -> Expected:
    """For eight minutes nothing can be listed, and half of the time nothing made; a worker dies."""
    cluster = await _created(world)
    now = world.clock.now()
    lost = _of_role(world, cluster, Role.WORKER)[0]
    blind = Fault(Kind.OUTAGE, cloud="aws", verb="observe", since=now, until=now + OUTAGE)
    deaf = Fault(Kind.OUTAGE, cloud="aws", verb="create", since=now, until=now + OUTAGE * 1.5)
    world.transcript.note("the region's API fails")
    for fault in (blind, deaf):
        world.clouds.faults.add(fault)
    await world.clock.sleep(60.0)
    world.transcript.note(f"{lost.resource.hostname} ends")
    Stranger(world.clouds, lost.site).delete(lost.thing)
    await until_quiet(world)
    return Expected(lost=1)


async def _gone(world: Simulation, guest: Guest) -> None:
    until = world.clock.monotonic() + REPLACED
    while guest.runs:
        if world.clock.monotonic() > until:
            raise Broken("I12", f"{guest.resource.hostname} is of no use and was not removed")
        await world.clock.sleep(5.0)


def _with_pods(world: Simulation, cluster: ClusterId) -> None:
    """What people run: five pods, of which three must stay."""
    web = Deployment("default", "web", 5, Requests(200, 128))
    world.kubernetes.cluster(cluster).deploy(web, Budget("default", "web", 3))


_ALL = (
    Scenario("create", "one control plane and two workers", _create),
    Scenario("create-ha", "three control planes over three zones", _create_three),
    Scenario("neighbours", "four clusters at once, one of which is deleted", _neighbours),
    Scenario("heal-worker", "a worker is terminated by somebody else", _heal_worker),
    Scenario("heal-frozen", "a worker stands still and the cloud calls it running", _heal_frozen),
    Scenario("heal-control-plane", "one of three control planes ends", _heal_control_plane),
    Scenario("spot-storm", "all spot workers get a notice at once", _spot_storm),
    Scenario("vanish", "a worker disappears from the listings", _vanish),
    Scenario("delete", "a cluster is deleted", _delete),
    Scenario("delete-foreigner", "a foreign machine blocks the deletion", _delete_with_foreigner),
    Scenario("revoked", "the key is revoked midway and returned", _revoked),
    Scenario("outage", "a part of the region's API fails", _outage),
)
SCENARIOS: Mapping[str, Scenario] = MappingProxyType({one.name: one for one in _ALL})


class UnknownScenario(ValueError):
    """No such scenario; the text names those that there are."""


def scenario(name: str) -> Scenario:
    """A scenario by its name. Raises UnknownScenario."""
    if name not in SCENARIOS:
        raise UnknownScenario(f"scenario {name!r} is unknown; there is {', '.join(SCENARIOS)}")
    return SCENARIOS[name]
