"""Describe actions about what the cloud offers: regions, zones, machine types, spot prices."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from holdfast_sandbox.aws import catalogue, prices
from holdfast_sandbox.aws.ec2 import listing
from holdfast_sandbox.aws.ec2.ask import Ask
from holdfast_sandbox.aws.ec2.fields import attribute, named
from holdfast_sandbox.aws.ec2.listing import Listing
from holdfast_sandbox.aws.errors import AwsError


def regions(ask: Ask) -> dict[str, Any]:
    """DescribeRegions: those the account may use."""
    wanted = ask.items("RegionNames")
    for name in wanted:
        if name not in ask.world.settings.regions:
            raise AwsError("InvalidParameterValue", f"Invalid region name: {name}")
    things = [
        SimpleNamespace(
            id=name,
            region_name=name,
            endpoint=f"ec2.{name}.amazonaws.com",
            opt_in_status="opt-in-not-required",
        )
        for name in wanted or ask.world.settings.regions
    ]
    table = Listing(
        "Regions",
        lambda _: things,
        named(region_name="region_name", opt_in_status="opt_in_status", endpoint="endpoint"),
        tagged=False,
    )
    return {"Regions": listing.selected(ask, table, things)}


_ZONES = Listing(
    "AvailabilityZones",
    lambda backend: [
        SimpleNamespace(
            id=name,
            zone_name=name,
            zone_id=number,
            state="available",
            region_name=backend.region_name,
            opt_in_status="opt-in-not-required",
            zone_type="availability-zone",
            group_name=backend.region_name,
            network_border_group=backend.region_name,
        )
        for name, number in catalogue.zones(backend.region_name).items()
    ],
    named(
        zone_name="zone_name",
        zone_id="zone_id",
        state="state",
        region_name="region_name",
        opt_in_status="opt_in_status",
        zone_type="zone_type",
        group_name="group_name",
    ),
    ids="ZoneNames",
    missing="InvalidParameterValue",
    tagged=False,
    paged=False,
)


def _raw(path: str) -> listing.Field:
    steps = path.split(".")

    def read(thing: Any) -> Any:
        value: Any = thing.raw
        for step in steps:
            value = value.get(step) if isinstance(value, Mapping) else None
        return value

    return read


_TYPES = Listing(
    "InstanceTypes",
    lambda backend: [catalogue.types()[name] for name in catalogue.offered(backend.region_name)],
    {
        "instance-type": attribute("name"),
        "current-generation": _raw("CurrentGeneration"),
        "bare-metal": _raw("BareMetal"),
        "burstable-performance-supported": _raw("BurstablePerformanceSupported"),
        "free-tier-eligible": _raw("FreeTierEligible"),
        "hypervisor": _raw("Hypervisor"),
        "processor-info.supported-architecture": _raw("ProcessorInfo.SupportedArchitectures"),
        "vcpu-info.default-vcpus": _raw("VCpuInfo.DefaultVCpus"),
        "memory-info.size-in-mib": _raw("MemoryInfo.SizeInMiB"),
        "supported-usage-class": _raw("SupportedUsageClasses"),
        "supported-virtualization-type": _raw("SupportedVirtualizationTypes"),
        "supported-root-device-type": _raw("SupportedRootDeviceTypes"),
    },
    ids="InstanceTypes",
    missing="InvalidInstanceType",
    identity=lambda size: str(size.name),
    tagged=False,
    page=100,
)


def instance_types(ask: Ask) -> dict[str, Any]:
    """DescribeInstanceTypes."""
    found = listing.describe(ask, _TYPES)
    return {**found, "InstanceTypes": [dict(size.raw) for size in found["InstanceTypes"]]}


def type_offerings(ask: Ask) -> dict[str, Any]:
    """DescribeInstanceTypeOfferings, by region, zone or zone id."""
    kind = ask.text("LocationType") or "region"
    zones = catalogue.zones(ask.call.region)
    spell: Mapping[str, Callable[[str], str]] = {
        "region": lambda _: ask.call.region,
        "availability-zone": str,
        "availability-zone-id": lambda zone: zones[zone],
    }
    if kind not in spell:
        raise AwsError("InvalidParameterValue", f"Invalid value '{kind}' for LocationType.")
    things = {
        f"{name}@{spell[kind](zone)}": SimpleNamespace(
            id=f"{name}@{spell[kind](zone)}",
            instance_type=name,
            location=spell[kind](zone),
            location_type=kind,
        )
        for name, places in catalogue.offered(ask.call.region).items()
        for zone in places
    }
    table = Listing(
        "InstanceTypeOfferings",
        lambda _: things.values(),
        named(instance_type="instance_type", location="location"),
        tagged=False,
    )
    return listing.describe(ask, table)


def spot_history(ask: Ask) -> dict[str, Any]:
    """DescribeSpotPriceHistory: the present price and a few older ones, newest first (H42)."""
    start, end = ask.params.get("StartTime"), ask.params.get("EndTime")
    products = ask.items("ProductDescriptions") or ["Linux/UNIX"]
    chosen = ask.items("InstanceTypes")
    zone = ask.text("AvailabilityZone")
    points = []
    for name, places in catalogue.offered(ask.call.region).items():
        if (chosen and name not in chosen) or "Linux/UNIX" not in products:
            continue
        for place in places:
            if zone in ("", place):
                points += prices.spot_series(ask.world, name, place, (start, end))
    table = Listing(
        "SpotPriceHistory",
        lambda _: points,
        named(
            instance_type="instance_type",
            availability_zone="availability_zone",
            product_description="product_description",
            spot_price="spot_price",
        ),
        tagged=False,
    )
    return listing.describe(ask, table)


def zones(ask: Ask) -> dict[str, Any]:
    """DescribeAvailabilityZones."""
    return listing.describe(ask, _ZONES)


ANSWERS: Mapping[str, Callable[[Ask], Any]] = {
    "DescribeRegions": regions,
    "DescribeAvailabilityZones": zones,
    "DescribeInstanceTypes": instance_types,
    "DescribeInstanceTypeOfferings": type_offerings,
    "DescribeSpotPriceHistory": spot_history,
}
