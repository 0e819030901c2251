"""Prices of the sandbox: invented, plausible, the same in every run. Never use them elsewhere."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from holdfast_sandbox.aws import catalogue
from holdfast_sandbox.aws.world import World

NOTICE = "invented by the Holdfast sandbox, not a price of AWS"
VCPU, GIB = 0.0345, 0.0036  # USD an hour in a region of factor 1
FAMILY: Mapping[str, float] = {"t3": 0.87, "t3a": 0.78, "t4g": 0.70, "g4dn": 2.9, "g5": 4.9}
MAKER: Mapping[str, float] = {"Intel": 1.0, "AMD": 0.9, "AWS": 0.8}
REGION: Mapping[str, float] = {
    "us-east-1": 1.0,
    "us-east-2": 1.0,
    "us-west-2": 1.0,
    "eu-west-1": 1.11,
    "eu-central-1": 1.2,
    "ap-south-1": 1.05,
}
ADDRESS, NAT, GP3, SNAPSHOT = 0.005, 0.045, 0.08, 0.05  # hour, hour, GiB-month, GiB-month
HOURS_A_MONTH = 730
BALANCER = 0.0225
STEP = timedelta(hours=6)
POINTS = 8


def on_demand(name: str, region: str) -> float:
    """USD per hour of a type with Linux, shared tenancy."""
    size = catalogue.types()[name]
    maker = MAKER.get(str(size.raw["ProcessorInfo"].get("Manufacturer")), 1.0)
    base = size.cpus * VCPU + size.memory_mib / 1024 * GIB
    return round(base * FAMILY.get(size.family, maker) * REGION.get(region, 1.15), 4)


def spot(world: World, name: str, zone: str, at: datetime | None = None) -> float:
    """USD per hour on the spot market of a zone: 30 to 40 % of on demand, moving every 6 hours."""
    fixed = world.state.prices.get((name, zone, "spot"))
    if fixed is not None:
        return fixed
    moment = at or world.now()
    step = math.floor(moment.timestamp() / STEP.total_seconds())
    share = 0.30 + 0.08 * world.chance("spot", name, zone).random()
    share += 0.02 * world.chance("spot", name, zone, str(step)).random()
    return round(on_demand(name, zone[:-1]) * share, 4)


def spot_series(
    world: World, name: str, zone: str, span: tuple[datetime | None, datetime | None]
) -> list[Any]:
    """Points of the price history inside `span` (naive UTC), newest first.

    The point in force at the start belongs to it, as at the cloud.
    """
    now = world.now()
    start, end = span
    step = math.floor(now.timestamp() / STEP.total_seconds())
    points = []
    for back in range(POINTS):
        seconds = (step - back) * STEP.total_seconds()
        at = datetime.fromtimestamp(seconds, tz=now.tzinfo)
        stamp = at.replace(tzinfo=None)
        if end is not None and stamp > end:
            continue
        points.append(
            SimpleNamespace(
                id=f"{name} {zone} {seconds}",
                instance_type=name,
                availability_zone=zone,
                product_description="Linux/UNIX",
                spot_price=f"{spot(world, name, zone, at):.6f}",
                timestamp=stamp,
            )
        )
        if start is not None and stamp <= start:
            break
    return points
