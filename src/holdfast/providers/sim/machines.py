"""The life of a machine at the cloud: pending, running, ending, ended; and ends before its time."""

from dataclasses import replace
from ipaddress import IPv4Address

from holdfast.model.ids import ProviderId
from holdfast.model.observed import Life
from holdfast.providers.sim.account import Site
from holdfast.providers.sim.faults import Facts, Kind
from holdfast.providers.sim.record import Bill
from holdfast.providers.sim.things import History, Thing
from holdfast.providers.sim.world import World

BY_USER = "terminated: Client.UserInitiatedShutdown: User initiated ({at} GMT)"


def facts_of(site: Site, thing: Thing, verb: str = "") -> Facts:
    """What faults may say about a thing."""
    kind, market = thing.machine_type
    name = thing.owner.name if thing.owner else ""
    return Facts(
        cloud=site.cloud.value,
        account=site.account,
        region=site.region,
        zone=thing.zone,
        verb=verb,
        thing=thing.kind,
        subjects=(name, thing.id),
        type=kind,
        market=market,
    )


def launch(world: World, site: Site, history: History, thing: Thing) -> None:
    """A machine is accepted: pending now, running (or ended) when its time has come."""
    world.record.bills[thing.id] = Bill(thing.owner, thing.id, world.timeline.now)
    world.write(site, history, thing)
    low, high = world.pace(site.cloud).runs
    wait = world.draws.between(low, high, "runs", thing.id)
    world.timeline.after(wait, lambda: _runs(world, site, thing.id))


def _runs(world: World, site: Site, thing_id: ProviderId) -> None:
    thing = site.shelf.thing(thing_id)
    if thing is None or thing.life is not Life.PENDING:
        return
    fault = world.faults.take((Kind.BOOT_FAILS,), facts_of(site, thing), world.moment())
    if fault is not None:
        why = fault.code or "Server.InternalError"
        world.consoles[thing_id] = fault.detail or "no root disk"
        end(world, site, thing_id, f"terminated: {why}: {fault.detail or 'no root disk'}")
        return
    history = site.shelf.histories[thing_id]
    world.write(site, history, replace(thing, life=Life.PRESENT))
    world.tell(site, thing, "running")


def terminate(world: World, site: Site, thing_id: ProviderId, evidence: str = "") -> None:
    """A machine is asked to end: leaving now, ended when its time has come."""
    thing = site.shelf.living(thing_id)
    if thing is None or thing.life is Life.LEAVING:
        return
    at = world.stamp(site).strftime("%Y-%m-%d %H:%M:%S")
    said = evidence or BY_USER.format(at=at)
    leaving = replace(thing, life=Life.LEAVING, evidence=said.replace("terminated", "ending", 1))
    world.write(site, site.shelf.histories[thing_id], leaving)
    world.tell(site, leaving, "ending", said)
    low, high = world.pace(site.cloud).ends
    wait = world.draws.between(low, high, "ends", thing_id)
    world.timeline.after(wait, lambda: end(world, site, thing_id, said))


def end(world: World, site: Site, thing_id: ProviderId, evidence: str) -> None:
    """A machine is over now; its parts go with it."""
    thing = site.shelf.living(thing_id)
    if thing is None:
        return
    bindings = [one for one in site.shelf.users_of(thing_id) if one.kind == "AddressBinding"]
    for binding in bindings:
        world.remove(site, binding.id)
    for tag in [one for one in site.shelf.users_of(thing_id) if one.kind == "ChallengeTag"]:
        world.remove(site, tag.id)
    if not bindings:
        world.addresses.free(thing.public_ip)
    if thing.private_ip is not None:
        for ref in thing.refs:
            site.shelf.leases.get(ref, {}).pop(int(IPv4Address(thing.private_ip)), None)
    thing = replace(thing, life=Life.GONE, evidence=evidence, public_ip=None)
    world.write(site, site.shelf.histories[thing_id], thing)
    world.record.bills[thing_id].until = world.timeline.now
    world.tell(site, thing, "ended", evidence)
    lingers = world.pace(site.cloud).lingers
    if lingers:
        world.timeline.after(lingers, lambda: _unlist(world, site, thing_id))
    else:
        world.remove(site, thing_id)


def stop(world: World, site: Site, thing_id: ProviderId, evidence: str) -> None:
    """A machine stops without an end: its disk bills, and it can be started again."""
    thing = site.shelf.living(thing_id)
    if thing is None or thing.life is Life.LEAVING:
        return
    history = site.shelf.histories[thing_id]
    world.write(site, history, replace(thing, life=Life.FAILED, evidence=f"stopped: {evidence}"))
    world.tell(site, thing, "stopped", evidence)


def start(world: World, site: Site, thing_id: ProviderId) -> None:
    """A stopped machine comes back, as it was."""
    thing = site.shelf.living(thing_id)
    if thing is None or thing.life is not Life.FAILED:
        return
    history = site.shelf.histories[thing_id]
    world.write(site, history, replace(thing, life=Life.PRESENT, evidence=""))
    world.tell(site, thing, "running", "started again")


def lose_zone(world: World, site: Site, zone: str) -> tuple[ProviderId, ...]:
    """The power of a zone fails: every machine in it ends now. Returns which, whoever owns them."""
    world.timeline.settle()
    struck = [
        thing.id
        for history in list(site.shelf.histories.values())
        if (thing := history.thing) is not None
        and thing.kind == "VirtualMachine"
        and thing.zone == zone
        and thing.is_alive
    ]
    for machine in struck:
        end(world, site, machine, f"terminated: Server.InternalError: zone {zone} failed")
    return tuple(struck)


def _unlist(world: World, site: Site, thing_id: ProviderId) -> None:
    if site.shelf.thing(thing_id) is not None:
        world.remove(site, thing_id)
