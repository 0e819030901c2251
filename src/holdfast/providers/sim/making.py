"""What a cloud does with a create request: check it as the real ones do, then make the thing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from ipaddress import IPv4Address, IPv4Network

from holdfast.model.ids import ProviderId, ResourceName
from holdfast.model.observed import Life
from holdfast.model.resource import (
    Address,
    AddressBinding,
    FirewallGroup,
    FirewallRule,
    GatewayAttachment,
    MachineRole,
    Resource,
    Route,
    RouteAssociation,
    Subnet,
    VirtualMachine,
    needs,
)
from holdfast.providers import errors
from holdfast.providers.sim import machines, sale
from holdfast.providers.sim.account import Site
from holdfast.providers.sim.clouds import TRAITS, Repeat, Why, refusal
from holdfast.providers.sim.faults import Fault
from holdfast.providers.sim.shelf import Asked
from holdfast.providers.sim.things import History, Owner, Place, Tags, Thing
from holdfast.providers.sim.world import World

FIRST_HOST = 4  # the first addresses of a subnet are the cloud's own
RESERVED = 5  # with the last one. Source: AWS VPC, "Subnet sizing"


@dataclass(frozen=True, slots=True)
class Request:
    """A create call as the cloud gets it.

    owner   None where the caller does not use our tags
    refs    ids of what it needs, by name
    token   empty where the cloud takes none
    """

    resource: Resource
    owner: Owner | None
    tags: Tags
    refs: Mapping[ResourceName, ProviderId]
    token: str = ""
    payload: bytes = b""

    @property
    def attempted(self) -> str:
        """For people and errors."""
        return f"create {self.resource.name}"

    @property
    def kind(self) -> str:
        """Class name of the resource."""
        return type(self.resource).__name__

    def parameters(self) -> str:
        """Everything that was asked for, as text; user data by its digest."""
        digest = blake2b(self.payload, digest_size=8).hexdigest()
        refs = ",".join(f"{name}={one}" for name, one in sorted(self.refs.items()))
        return f"{self.resource} refs={refs} tags={dict(self.tags)} payload={digest}"


@dataclass(frozen=True, slots=True)
class Made:
    """What a create call led to. `outcome` is "ok" or "replayed"."""

    thing: ProviderId
    outcome: str = "ok"


def make(world: World, site: Site, request: Request, partial: Fault | None = None) -> Made:
    """Carry out a create request. Raises a class of `providers.errors` and then made nothing.

    With `partial` a part is made that will never be usable, and an error is raised as well.
    """
    replayed = _replayed(site, request)
    if replayed is not None:
        return replayed
    _needed(site, request)
    places = _places(site, request)
    taken = holder(site, request)
    if taken is not None:
        raise refusal(site.cloud, Why.TAKEN, request.attempted, f"{taken.id} is there already")
    sale.check(world, site, request.attempted, request.resource, len(request.payload))
    thing = _new(world, site, request)
    history = History(thing.id, thing.kind, places, sale.units(world, site, request.resource))
    if partial is not None:
        _half(world, site, history, thing, partial)
        raise _reason(site, request, partial)
    if request.payload:
        world.payloads[thing.id] = request.payload
    _begin(world, site, history, thing)
    if request.token:
        site.shelf.tokens[request.token] = Asked(request.parameters(), thing.id)
    return Made(thing.id)


def holder(site: Site, request: Request) -> Thing | None:
    """The living thing that has the request's name or place already."""
    for place in _places(site, request):
        if place in site.shelf.places:
            return site.shelf.living(site.shelf.places[place])
    return None


def _replayed(site: Site, request: Request) -> Made | None:
    """The answer to a known token: the thing that it made, even if that ended since."""
    if TRAITS[site.cloud].repeat.get(request.kind) is not Repeat.TOKEN or not request.token:
        return None
    asked = site.shelf.tokens.get(request.token)
    if asked is None:
        return None
    if asked.parameters != request.parameters():
        detail = "the client token was used before, with other parameters"
        raise refusal(site.cloud, Why.MISMATCH, request.attempted, detail)
    return Made(asked.thing, "replayed")


def references(resource: Resource) -> tuple[ResourceName, ...]:
    """The names of what it needs; what it is a part of stands first."""
    if isinstance(resource, FirewallRule):
        peer = () if isinstance(resource.peer, IPv4Network) else (resource.peer,)
        return tuple(dict.fromkeys((resource.group, *peer)))
    return tuple(sorted(needs(resource)))


def _needed(site: Site, request: Request) -> None:
    """Everything that it needs is there and in a state to be used, or the cloud refuses."""
    for name in references(request.resource):
        found = site.shelf.living(request.refs[name])
        if found is None:
            detail = f"{request.refs[name]} ({name}) does not exist"
            raise errors.Unavailable(
                request.attempted, TRAITS[site.cloud].codes[Why.ABSENT], detail
            )
        if found.life is not Life.PRESENT:
            detail = f"{found.id} ({name}) is {found.life.value}"
            raise refusal(site.cloud, Why.LATER, request.attempted, detail)
    machine = request.resource
    if isinstance(machine, VirtualMachine):
        subnet = site.shelf.living(request.refs[machine.subnet])
        if subnet is not None and subnet.zone != machine.offering.zone:
            detail = f"{subnet.id} is in {subnet.zone}, not in {machine.offering.zone}"
            raise refusal(site.cloud, Why.INVALID, request.attempted, detail)


def _places(site: Site, request: Request) -> tuple[Place, ...]:
    """What only one living thing may hold: a range, a name in a network, a route, a binding."""
    repeat = TRAITS[site.cloud].repeat.get(request.kind, Repeat.REFUSED)
    by_place = tuple(_by_place(request))
    if by_place or repeat is not Repeat.REFUSED:
        return by_place
    name = request.resource.name
    if isinstance(request.resource, VirtualMachine):
        name = ResourceName(request.resource.hostname)
    whose = request.owner.cluster if request.owner else "stranger"
    return (("name", request.kind, whose, name),)


def _by_place(request: Request) -> Iterable[Place]:  # noqa: C901  (one line a kind)
    refs, resource = request.refs, request.resource
    whose = request.owner.cluster if request.owner else "stranger"
    match resource:
        case Subnet():
            yield ("range", refs[resource.network], str(resource.cidr))
        case FirewallGroup():
            yield ("group", refs[resource.network], whose, resource.name)
        case FirewallRule():
            yield _allowed(resource, refs)
        case GatewayAttachment():
            yield ("attached", refs[resource.gateway])
            yield ("gateway-of", refs[resource.network])
        case Route():
            yield ("default-route", refs[resource.table])
        case RouteAssociation():
            yield ("table-of", refs[resource.subnet])
        case AddressBinding():
            yield ("bound", refs[resource.address])
        case MachineRole():
            yield ("role", whose, resource.name)
        case _:
            return


def _allowed(rule: FirewallRule, refs: Mapping[ResourceName, ProviderId]) -> Place:
    """Two rules that allow the same are one, whatever they are called."""
    peer = rule.peer if isinstance(rule.peer, IPv4Network) else refs[rule.peer]
    ports = f"{rule.protocol}/{rule.from_port}-{rule.to_port}"
    return ("rule", refs[rule.group], rule.direction.value, ports, str(peer))


def _new(world: World, site: Site, request: Request) -> Thing:
    resource = request.resource
    about = f"{request.owner.cluster}/{resource.name}" if request.owner else resource.name
    zone = ""
    if isinstance(resource, Subnet):
        zone = resource.zone
    elif isinstance(resource, VirtualMachine):
        zone = resource.offering.zone
    has_public = isinstance(resource, VirtualMachine | Address)
    return Thing(
        id=world.new_id(site, request.kind, about),
        kind=request.kind,
        resource=resource,
        owner=request.owner,
        tags=request.tags,
        life=Life.PENDING,
        refs=tuple(request.refs[name] for name in references(resource)),
        created_at=world.stamp(site),
        zone=zone,
        private_ip=_private(world, site, request),
        public_ip=world.addresses.take() if has_public else None,
    )


def _private(world: World, site: Site, request: Request) -> str | None:
    """The next free address of the machine's subnet. Raises CapacityUnavailable when it is full."""
    if not isinstance(request.resource, VirtualMachine):
        return None
    subnet_id = request.refs[request.resource.subnet]
    subnet = site.shelf.living(subnet_id)
    if subnet is None or not isinstance(subnet.resource, Subnet):
        return None
    network = subnet.resource.cidr
    leases = site.shelf.leases.setdefault(subnet_id, {})
    if len(leases) >= network.num_addresses - RESERVED:
        detail = f"{subnet_id} has no free address"
        raise refusal(site.cloud, Why.SUBNET_FULL, request.attempted, detail)
    hosts = network.num_addresses - RESERVED
    while True:
        offset = FIRST_HOST + world.cursors[subnet_id] % hosts
        world.cursors[subnet_id] += 1
        number = int(network.network_address) + offset
        if number not in leases:
            leases[number] = None
            return str(IPv4Address(number))


def _begin(world: World, site: Site, history: History, thing: Thing) -> None:
    """The thing exists from now on; when it can be used depends on its kind and the cloud."""
    if isinstance(thing.resource, VirtualMachine):
        machines.launch(world, site, history, thing)
        return
    low, high = world.pace(site.cloud).comes
    wait = world.draws.between(low, high, "comes", thing.id)
    if wait:
        world.write(site, history, thing)
        world.timeline.after(wait, lambda: _ready(world, site, thing.id))
    else:
        world.write(site, history, replace(thing, life=Life.PRESENT))
    if isinstance(thing.resource, AddressBinding):
        _bind(world, site, thing)
    if isinstance(thing.resource, Address) and thing.public_ip:
        world.reserved[thing.public_ip] = (site, thing.id)


def _ready(world: World, site: Site, thing_id: ProviderId) -> None:
    thing = site.shelf.thing(thing_id)
    if thing is not None and thing.life is Life.PENDING:
        world.write(site, site.shelf.histories[thing_id], replace(thing, life=Life.PRESENT))


def _bind(world: World, site: Site, binding: Thing) -> None:
    """The machine is reached by the reserved address now, and gives its own one back."""
    bound = [site.shelf.living(ref) for ref in binding.refs]
    address = next((one for one in bound if one and isinstance(one.resource, Address)), None)
    machine = next((one for one in bound if one and one.kind == "VirtualMachine"), None)
    if address is None or machine is None:
        return
    world.addresses.free(machine.public_ip)
    history = site.shelf.histories[machine.id]
    world.write(site, history, replace(machine, public_ip=address.public_ip))


def _half(world: World, site: Site, history: History, thing: Thing, partial: Fault) -> None:
    """A part that exists, bills, and will never be of use."""
    evidence = partial.detail or "a part was made, the whole was not"
    if isinstance(thing.resource, VirtualMachine):
        machines.launch(world, site, history, replace(thing, life=Life.FAILED, evidence=evidence))
    else:
        world.write(site, history, replace(thing, life=Life.FAILED, evidence=evidence))


def _reason(site: Site, request: Request, partial: Fault) -> errors.ProviderError:
    """The error of a half-made thing: the fault's own class, else a quota met halfway."""
    if partial.error:
        return sale.named(partial, request.attempted)
    detail = partial.detail or "a quota was met halfway"
    return refusal(site.cloud, Why.QUOTA, request.attempted, detail)
