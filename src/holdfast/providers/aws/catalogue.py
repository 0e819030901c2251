"""What AWS sells in a region now: zones, types where they are offered, prices, quotas, images."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from holdfast.model.account import Region
from holdfast.model.offering import CapacityType, Cloud, Offering, OfferingKey, Size
from holdfast.providers import errors
from holdfast.providers.aws import prices, quotas
from holdfast.providers.aws.client import Call, Client

WHAT = "read the catalogue"
# Canonical publishes long-term releases every second April; the newest that is there is taken.
RELEASES = ("26.04", "24.04")
ARCHITECTURES = {"x86_64": "amd64", "arm64": "arm64"}  # AWS's word -> ours
_IMAGE = "/aws/service/canonical/ubuntu/server/{}/stable/current/{}/hvm/ebs-gp3/ami-id"


async def catalogue(client: Client, region: str, now: datetime) -> Region:
    """The region as one value, in an order that depends on the offers alone."""
    zones, offerings, found_quotas, images, address, disk = await asyncio.gather(
        _zones(client, region),
        _sale(client, region, now),
        quotas.quotas(client, region),
        _images(client, region),
        prices.address(client, region),
        prices.disk(client, region),
    )
    return Region(
        name=region,
        zones=zones,
        offerings=offerings,
        quotas=found_quotas,
        images=images,
        address_price=address,
        disk_price=disk,
    )


async def _sale(client: Client, region: str, now: datetime) -> tuple[Offering, ...]:
    types, offered, on_demand, spot = await asyncio.gather(
        _types(client, region),
        _offered(client, region),
        prices.on_demand(client, region),
        _spot(client, region, now),
    )
    return tuple(sorted(_offerings(region, types, offered, on_demand, spot), key=_order))


def _order(offer: Offering) -> tuple[str, str, str]:
    return offer.key.instance_type, offer.key.zone, offer.key.capacity_type.value


def _offerings(
    region: str,
    types: Mapping[str, tuple[Size, str, frozenset[str]]],
    offered: Iterable[tuple[str, str]],
    on_demand: Mapping[str, Decimal],
    spot: Mapping[tuple[str, str], Decimal],
) -> Iterable[Offering]:
    """Every type in every zone, for each way to pay that it has a price for."""
    for name, zone in offered:
        if name not in types:
            continue
        size, arch, usage = types[name]
        for capacity, word, price in (
            (CapacityType.ON_DEMAND, "on-demand", on_demand.get(name)),
            (CapacityType.SPOT, "spot", spot.get((name, zone))),
        ):
            if price is not None and word in usage:
                key = OfferingKey(Cloud.AWS, region, zone, name, capacity)
                yield Offering(key, size, price, arch)


async def _zones(client: Client, region: str) -> tuple[str, ...]:
    """Zones of the region itself: no local zones, which sell little and cost more."""
    filters = [
        {"Name": "zone-type", "Values": ["availability-zone"]},
        {"Name": "state", "Values": ["available"]},
    ]
    call = Call("ec2", "DescribeAvailabilityZones", region, WHAT, {"Filters": filters})
    found = (await client.call(call))["AvailabilityZones"]
    return tuple(sorted(one["ZoneName"] for one in found))


async def _types(client: Client, region: str) -> dict[str, tuple[Size, str, frozenset[str]]]:
    """Virtual types of current families: size, architecture, ways to pay."""
    filters = [
        {"Name": "current-generation", "Values": ["true"]},
        {"Name": "bare-metal", "Values": ["false"]},
        {"Name": "processor-info.supported-architecture", "Values": list(ARCHITECTURES)},
    ]
    params = {"Filters": filters, "MaxResults": 100}
    found = await client.items(
        Call("ec2", "DescribeInstanceTypes", region, WHAT, params), "InstanceTypes"
    )
    result = {}
    for one in found:
        arch = _arch(one["ProcessorInfo"]["SupportedArchitectures"])
        if arch:
            size = Size(one["VCpuInfo"]["DefaultVCpus"], one["MemoryInfo"]["SizeInMiB"])
            result[one["InstanceType"]] = (size, arch, frozenset(one["SupportedUsageClasses"]))
    return result


def _arch(supported: list[str]) -> str | None:
    return next((ours for theirs, ours in ARCHITECTURES.items() if theirs in supported), None)


async def _offered(client: Client, region: str) -> list[tuple[str, str]]:
    """(type, zone) of everything that is offered somewhere in the region."""
    params = {"LocationType": "availability-zone", "MaxResults": 1000}
    call = Call("ec2", "DescribeInstanceTypeOfferings", region, WHAT, params)
    found = await client.items(call, "InstanceTypeOfferings")
    return [(one["InstanceType"], one["Location"]) for one in found]


async def _spot(client: Client, region: str, now: datetime) -> dict[tuple[str, str], Decimal]:
    """(type, zone) -> USD per hour on the spot market now: the newest point of each series."""
    params = {
        "StartTime": now,
        "EndTime": now,
        "ProductDescriptions": ["Linux/UNIX"],
        "MaxResults": 1000,
    }
    call = Call("ec2", "DescribeSpotPriceHistory", region, WHAT, params)
    found = await client.items(call, "SpotPriceHistory")
    newest: dict[tuple[str, str], tuple[datetime, Decimal]] = {}
    for one in found:
        place = (one["InstanceType"], one["AvailabilityZone"])
        point = (one["Timestamp"], Decimal(one["SpotPrice"]))
        newest[place] = max(newest.get(place, point), point)
    return {place: price for place, (_, price) in newest.items()}


async def _images(client: Client, region: str) -> dict[str, str]:
    """Architecture -> id of the newest Ubuntu LTS image. Raises NotFound where there is none."""
    wanted = {
        _IMAGE.format(release, arch): arch
        for release in reversed(RELEASES)
        for arch in ARCHITECTURES.values()
    }
    call = Call("ssm", "GetParameters", region, WHAT, {"Names": list(wanted)})
    told: list[dict[str, Any]] = (await client.call(call))["Parameters"]
    found = {one["Name"]: one["Value"] for one in told}
    images = {arch: found[name] for name, arch in wanted.items() if name in found}
    if "amd64" not in images:
        raise errors.NotFound(WHAT, "ParameterNotFound", f"no Ubuntu image in {region}")
    return images
