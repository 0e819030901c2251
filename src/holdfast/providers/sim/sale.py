"""Whether a machine or any other thing can be had now: types, images, quotas, capacity, prices."""

from decimal import Decimal

from holdfast.model.account import Quota, Region
from holdfast.model.offering import CapacityType, Offering
from holdfast.model.resource import Resource, VirtualMachine
from holdfast.providers.errors import ProviderError
from holdfast.providers.sim.account import Site
from holdfast.providers.sim.clouds import TRAITS, Limit, Why, refusal
from holdfast.providers.sim.faults import CLASSES, Facts, Fault, Kind, as_error
from holdfast.providers.sim.offerings import ADDRESS_PRICE, DISK_PRICE, Image
from holdfast.providers.sim.world import World


def check(world: World, site: Site, attempted: str, resource: Resource, payload: int) -> None:
    """Everything that can stand in the way of a sale, in the order in which clouds look at it.

    Raises RequestRejected, QuotaExceeded or CapacityUnavailable.
    """
    if isinstance(resource, VirtualMachine):
        _valid(world, site, attempted, resource, payload)
    for code, amount in units(world, site, resource):
        limit = quota(world, site, code)
        if site.shelf.used[code] + amount > limit:
            used = f"{site.shelf.used[code]} of {limit:g} are used"
            raise refusal(site.cloud, Why.QUOTA, attempted, f"quota {code}: {used}")
    if isinstance(resource, VirtualMachine):
        _in_stock(world, site, attempted, resource)


def _valid(world: World, site: Site, attempted: str, machine: VirtualMachine, payload: int) -> None:
    if payload > TRAITS[site.cloud].user_data:
        most = TRAITS[site.cloud].user_data
        detail = f"user data has {payload} bytes, the cloud takes {most}"
        raise refusal(site.cloud, Why.INVALID, attempted, detail)
    key = machine.offering
    if key.region != site.region or world.market.offer(key) is None:
        what = f"{key.instance_type} as {key.capacity_type.value} in {key.zone or key.region}"
        raise refusal(site.cloud, Why.INVALID, attempted, f"{what} is not on sale")
    if machine.image not in {image.id for image in images(world, site)}:
        detail = f"image {machine.image} is not there in {site.region}"
        raise refusal(site.cloud, Why.IMAGE, attempted, detail)


def _in_stock(world: World, site: Site, attempted: str, machine: VirtualMachine) -> None:
    key = machine.offering
    facts = _facts(site, key.zone, key.instance_type, key.capacity_type)
    fault = world.faults.find((Kind.CAPACITY, Kind.SOLD_OUT), facts, world.moment())
    if fault is None:
        return
    if fault.kind is Kind.SOLD_OUT or fault.value < 1:
        detail = f"no {key.instance_type} ({key.capacity_type.value}) in {key.zone} now"
        raise refusal(site.cloud, Why.CAPACITY, attempted, detail)
    world.faults.spend(fault)


def named(fault: Fault, attempted: str) -> ProviderError:
    """The error that a fault names. Raises ValueError for a class that does not exist."""
    if fault.error not in CLASSES:
        message = f"fault {fault.kind}: error {fault.error!r} is none of {', '.join(CLASSES)}"
        raise ValueError(message)
    return as_error(fault, attempted)


def units(world: World, site: Site, resource: Resource) -> tuple[tuple[str, int], ...]:
    """What a thing uses of which quotas."""
    limits = TRAITS[site.cloud].limits
    return tuple(
        (limit.code, amount) for limit in limits if (amount := _amount(world, limit, resource))
    )


def _amount(world: World, limit: Limit, resource: Resource) -> int:
    if limit.counts == type(resource).__name__:
        return 1
    if limit.counts not in {"cpus", "spot"} or not isinstance(resource, VirtualMachine):
        return 0
    is_spot = resource.offering.capacity_type is CapacityType.SPOT
    offer = world.market.offer(resource.offering)
    return offer.size.cpus if offer is not None and is_spot == (limit.counts == "spot") else 0


def quota(world: World, site: Site, code: str) -> float:
    """The limit that holds now."""
    facts = _facts(site, kind=code)
    fault = world.faults.find((Kind.QUOTA,), facts, world.moment())
    if fault is not None:
        return fault.value
    return world.accounts[site.cloud, site.account].limit(code)


def images(world: World, site: Site) -> tuple[Image, ...]:
    """The images that are there now, per architecture the one that is to be used first."""
    found = world.market.images(site.cloud, site.region)
    withdrawn = world.faults.somewhere(Kind.IMAGE_GONE, _facts(site), world.moment())
    if not withdrawn:
        return found
    return tuple(
        image
        for image in found
        if world.faults.find((Kind.IMAGE_GONE,), _facts(site, image=image.id), world.moment())
        is None
    )


def region(world: World, site: Site) -> Region:
    """A region as the catalogue tells it now."""
    found: dict[str, str] = {}
    for image in images(world, site):
        found.setdefault(image.arch, image.id)
    return Region(
        name=site.region,
        zones=world.market.zones(site.cloud, site.region),
        offerings=offerings(world, site),
        quotas=tuple(
            Quota(
                limit.code,
                limit.name,
                limit.unit,
                quota(world, site, limit.code),
                float(site.shelf.used[limit.code]),
            )
            for limit in TRAITS[site.cloud].limits
        ),
        images=found,
        address_price=ADDRESS_PRICE,
        disk_price=DISK_PRICE,
    )


def offerings(world: World, site: Site) -> tuple[Offering, ...]:
    """Everything on sale, with the prices and shortages of now."""
    found = world.market.offers(site.cloud, site.region)
    now = world.moment()
    weather = (Kind.PRICE, Kind.SOLD_OUT)
    if not any(world.faults.somewhere(kind, _facts(site), now) for kind in weather):
        return tuple(found.values())
    return tuple(_now(world, site, offer) for offer in found.values())


def _now(world: World, site: Site, offer: Offering) -> Offering:
    facts = _facts(site, offer.key.zone, offer.key.instance_type, offer.key.capacity_type)
    is_out = world.faults.find((Kind.SOLD_OUT,), facts, world.moment()) is not None
    return Offering(offer.key, offer.size, price(world, site, offer), offer.arch, not is_out)


def price(world: World, site: Site, offer: Offering) -> Decimal:
    """USD per hour of an offering now."""
    facts = _facts(site, offer.key.zone, offer.key.instance_type, offer.key.capacity_type)
    fault = world.faults.find((Kind.PRICE,), facts, world.moment())
    if fault is None:
        return offer.price
    return (offer.price * Decimal(str(fault.value))).quantize(Decimal("0.0001"))


def _facts(
    site: Site,
    zone: str = "",
    kind: str = "",
    market: CapacityType | None = None,
    *,
    image: str = "",
) -> Facts:
    return Facts(
        cloud=site.cloud.value,
        account=site.account,
        region=site.region,
        zone=zone,
        verb="create",
        thing="VirtualMachine",
        subjects=(image,) if image else (),
        type=kind,
        market=market.value if market else "",
    )
