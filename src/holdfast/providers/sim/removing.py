"""What a cloud does with a delete request: refuse while others need the thing, else let it go."""

from dataclasses import replace

from holdfast.model.ids import ProviderId, ResourceName
from holdfast.model.observed import Foreign, Life
from holdfast.model.resource import kind
from holdfast.providers import errors
from holdfast.providers.sim import machines
from holdfast.providers.sim.account import Site
from holdfast.providers.sim.clouds import TRAITS, Why
from holdfast.providers.sim.things import TAKEN_ALONG, Owner, Thing, words
from holdfast.providers.sim.world import World


def remove(world: World, site: Site, thing_id: ProviderId, attempted: str) -> None:
    """Carry out a delete request. What is gone or going already stays so.

    Raises DependencyHeld while something living needs the thing; the foreign ones are named.
    """
    thing = site.shelf.living(thing_id)
    if thing is None or thing.life is Life.LEAVING:
        return
    holders = [user for user in _holders(site, thing) if not _goes_along(thing, user)]
    if holders:
        raise _held(site, thing, holders, attempted)
    if thing.kind == "VirtualMachine":
        machines.terminate(world, site, thing_id)
        return
    low, high = world.pace(site.cloud).goes
    wait = world.draws.between(low, high, "goes", thing_id)
    if not wait:
        gone(world, site, thing_id)
        return
    history = site.shelf.histories[thing_id]
    world.write(site, history, replace(thing, life=Life.LEAVING, evidence="being deleted"))
    world.timeline.after(wait, lambda: gone(world, site, thing_id))


def gone(world: World, site: Site, thing_id: ProviderId) -> None:
    """A thing that is no machine ceases to exist, with what is a part of it."""
    thing = site.shelf.living(thing_id)
    if thing is None:
        return
    for user in site.shelf.users_of(thing_id):
        if _goes_along(thing, user):
            gone(world, site, user.id)
    if thing.kind == "AddressBinding":
        _unbind(world, site, thing)
    if thing.kind == "Address":
        world.addresses.free(thing.public_ip)
        world.reserved.pop(thing.public_ip or "", None)
    world.remove(site, thing_id)


def _goes_along(thing: Thing, user: Thing) -> bool:
    """Whether a user is a part of the thing and goes with it; a rule is a part of its own group."""
    if user.kind not in TAKEN_ALONG.get(thing.kind, ()):
        return False
    return user.kind != "FirewallRule" or user.refs[0] == thing.id


def _holders(site: Site, thing: Thing) -> tuple[Thing, ...]:
    if thing.kind == "GatewayAttachment":
        return tuple(_reached(site, thing))
    return site.shelf.users_of(thing.id)


def _reached(site: Site, attachment: Thing) -> list[Thing]:
    """Machines with public addresses in the network that the gateway serves.

    Source: AWS EC2, DetachInternetGateway: refused while there are mapped public addresses.
    """
    found: dict[ProviderId, Thing] = {}
    for network in attachment.refs:
        for part in site.shelf.users_of(network):
            for user in site.shelf.users_of(part.id) if part.kind == "Subnet" else ():
                if user.public_ip:
                    found[user.id] = user
    return list(found.values())


def _unbind(world: World, site: Site, binding: Thing) -> None:
    """The machine gets an address of its own again."""
    for ref in binding.refs:
        machine = site.shelf.living(ref)
        if machine is not None and machine.kind == "VirtualMachine":
            own = replace(machine, public_ip=world.addresses.take())
            world.write(site, site.shelf.histories[ref], own)


def _held(site: Site, thing: Thing, holders: list[Thing], attempted: str) -> errors.DependencyHeld:
    """The refusal, with the foreign holders as the driver's walk finds them."""
    name = thing.owner.name if thing.owner else ResourceName(thing.id)
    blockers = tuple(
        foreign(user, frozenset({name})) for user in holders if not _same(user.owner, thing.owner)
    )
    told = ", ".join(f"{one.kind} {one.id} ({one.owner})" for one in blockers)
    detail = f"{thing.id} has dependants"
    code = TRAITS[site.cloud].codes[Why.HELD]
    return errors.DependencyHeld(
        attempted, code, f"{detail}. Held by: {told}" if told else detail, blockers
    )


def _same(one: Owner | None, other: Owner | None) -> bool:
    """Whether both are of one cluster of one installation."""
    if one is None or other is None:
        return one is other
    return (one.installation, one.cluster) == (other.installation, other.cluster)


def foreign(thing: Thing, holds: frozenset[ResourceName]) -> Foreign:
    """A thing of somebody else, as the port shows it."""
    what = kind(thing.resource) if thing.resource is not None else thing.kind
    return Foreign(thing.id, what, holds, words(thing), thing.created_at)
