"""Harm to machines, clusters, keys and things; what is chosen depends on what is there.

No harm takes a cluster's quorum for good: a control plane that nobody can restore ends every story.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from holdfast.kube.sim.cluster import SimCluster
from holdfast.model.resource import Role
from holdfast.providers.errors import ProviderError
from holdfast.providers.sim import machines, spot, truth
from holdfast.providers.sim.account import Site
from holdfast.providers.sim.strangers import Stranger
from holdfast.providers.sim.things import Thing
from holdfast.simulation.invariants import installation
from holdfast.simulation.machines import Guest
from holdfast.simulation.swarm.steps import Deed, Step
from holdfast.simulation.world import Simulation

T = TypeVar("T")
Undo = Callable[[], None]
POWER = "terminated: Server.InternalError: the host failed"
TAKEN = {"FirewallRule", "Route", "RouteAssociation", "AddressBinding", "GatewayAttachment"}


def done(world: Simulation, step: Step) -> Undo | None:
    """Do the harm of a step; returns what ends it, None where nothing does (or nobody is there)."""
    return HARMS[step.deed](world, step)


def _ended(world: Simulation, step: Step) -> Undo | None:
    guest = _chosen([g for g in world.guests() if _spares_quorum(world, [g])], step)
    if guest is not None:
        world.transcript.note(f"{guest.resource.hostname} is lost: {step.deed.value}")
        if step.deed is Deed.KILL:
            machines.end(world.clouds, guest.site, guest.thing, POWER)
        else:
            Stranger(world.clouds, guest.site).stop(guest.thing)
    return None


def _silenced(world: Simulation, step: Step) -> Undo | None:
    guest = _chosen([g for g in world.guests() if g.lives], step)
    if guest is None:
        return None
    world.transcript.note(f"{guest.resource.hostname} is silent: {step.deed.value}")
    if step.deed is Deed.FREEZE:
        world.machines.freeze(guest.machine)
        return lambda: world.machines.thaw(guest.machine)
    world.machines.cut_off(guest.machine)
    return lambda: world.machines.join_up(guest.machine)


def _reclaimed(world: Simulation, step: Step) -> Undo | None:
    for site in _sites(world):
        if step.deed is Deed.STORM:
            spot.storm(world.clouds, site, step.value)
            continue
        running = spot.running(site)
        if running:
            thing = running[step.which % len(running)]
            spot.reclaim(world.clouds, site, thing.id, silent=step.deed is Deed.SILENT)
            break
    return None


def _zone(world: Simulation, step: Step) -> Undo | None:
    guests = [guest for guest in world.guests() if guest.thing]
    zones = sorted({(str(g.site), g.resource.offering.zone) for g in guests})
    spared = [
        (name, zone)
        for name, zone in zones
        if _spares_quorum(world, [g for g in guests if g.resource.offering.zone == zone])
    ]
    found = _chosen(spared, step)
    for site in _sites(world):
        if found is not None and str(site) == found[0]:
            world.transcript.note(f"zone {found[1]} fails")
            machines.lose_zone(world.clouds, site, found[1])
    return None


def _api(world: Simulation, step: Step) -> Undo | None:
    cluster = _chosen(list(world.kubernetes.clusters.values()), step)
    if cluster is None:
        return None
    if step.deed is Deed.API_AWAY:
        cluster.is_away = True
    else:
        cluster.slowness = step.value
    return lambda: _answers(cluster)


def _answers(cluster: SimCluster) -> None:
    cluster.is_away, cluster.slowness = False, 0.0
    cluster.settle()


def _revoked(world: Simulation, step: Step) -> Undo:  # noqa: ARG001
    keys = [key for account in world.clouds.accounts.values() for key in account.keys]

    def become(*, valid: bool) -> None:
        for key in keys:
            key.is_valid = valid

    become(valid=False)
    return lambda: become(valid=True)


def _taken(world: Simulation, step: Step) -> Undo | None:
    """Somebody deletes a part of ours that can go without the rest."""
    found = [(site, thing) for site, thing in _ours(world) if thing.kind in TAKEN]
    chosen = _chosen(found, step)
    if chosen is not None:
        site, thing = chosen
        world.transcript.note(f"somebody deletes {thing.kind} {thing.id}")
        try:
            Stranger(world.clouds, site).delete(thing.id)
        except ProviderError as error:
            world.transcript.note(f"which the cloud refuses: {error}")
    return None


def _stranger(world: Simulation, step: Step) -> Undo | None:
    """A machine of somebody else in a subnet and a group of ours, for a while."""
    subnets = [(site, thing) for site, thing in _ours(world) if thing.kind == "Subnet"]
    chosen = _chosen(subnets, step)
    if chosen is None:
        return None
    site, subnet = chosen
    owner = subnet.owner
    groups = [
        thing.id
        for _, thing in _ours(world)
        if thing.kind == "FirewallGroup" and thing.owner and owner
        if thing.owner.cluster == owner.cluster
    ]
    if not groups:
        return None
    try:
        made = Stranger(world.clouds, site).machine(subnet.id, groups[0])
    except ProviderError as error:
        world.transcript.note(f"a stranger's machine is refused: {error}")
        return None
    return lambda: Stranger(world.clouds, site).delete(made)


def _spares_quorum(world: Simulation, going: Sequence[Guest]) -> bool:
    """Whether every cluster has a quorum of control planes without these machines.

    A cluster whose etcd is not there yet must keep every control plane that is being made: what a
    half-made first one leaves cannot be told from a cluster that is lost.
    """
    for name in sorted({guest.cluster for guest in going if _leads(guest)}):
        cluster = world.kubernetes.clusters.get(name)
        if cluster is None or not cluster.voters:
            return False
        gone = {guest.machine for guest in going}
        left = sum(m not in gone and world.machines.lives(m) for m in cluster.voters)
        if left <= len(cluster.voters) // 2:
            return False
    return True


def _leads(guest: Guest) -> bool:
    return guest.resource.role is Role.CONTROL_PLANE


def _sites(world: Simulation) -> list[Site]:
    return [site for account in world.clouds.accounts.values() for site in account.sites]


def _ours(world: Simulation) -> list[tuple[Site, Thing]]:
    return list(truth.ours(world.clouds, installation(world)))


def _chosen(choices: Sequence[T], step: Step) -> T | None:
    return choices[step.which % len(choices)] if choices else None


HARMS: Mapping[Deed, Callable[[Simulation, Step], Undo | None]] = {
    Deed.KILL: _ended,
    Deed.STOP: _ended,
    Deed.FREEZE: _silenced,
    Deed.CUT: _silenced,
    Deed.NOTICE: _reclaimed,
    Deed.SILENT: _reclaimed,
    Deed.STORM: _reclaimed,
    Deed.ZONE: _zone,
    Deed.API_AWAY: _api,
    Deed.API_SLOW: _api,
    Deed.REVOKE: _revoked,
    Deed.TAKE: _taken,
    Deed.STRANGER: _stranger,
}
