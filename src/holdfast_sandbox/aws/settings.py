"""The emulator's settings: one frozen value, defaults like a fresh account of the real cloud."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Network

QUOTAS: Mapping[str, float] = {
    "L-1216C47A": 256,  # running on-demand standard instances, vCPUs
    "L-34B43A08": 256,  # spot standard instances, vCPUs
    "L-0263D0A3": 5,  # elastic addresses
    "L-F678F1CE": 5,  # VPCs per region
    "L-A4707A72": 5,  # internet gateways per region
    "L-0EA8095F": 60,  # rules per security group and direction
    "L-E79EC296": 2500,  # security groups per region
    "L-DF5E4CA3": 5000,  # network interfaces per region
    "L-FE5A380F": 5,  # NAT gateways per zone
    "L-407747CB": 200,  # subnets per VPC
}


POOL = IPv4Network("198.18.128.0/17")


@dataclass(frozen=True, slots=True)
class EmulatorSettings:
    """How strict, how slow and how large the emulated account is.

    `visibility` is the longest time a new thing stays invisible and a gone one stays listed.
    `page` caps every page of a pageable listing, also where the caller asked for no page.
    `bucket`, `refill` are calls and calls per second of each account + region + API.
    """

    account: str = "123456789012"
    regions: tuple[str, ...] = (
        "eu-central-1",
        "eu-west-1",
        "us-east-1",
        "us-east-2",
        "us-west-2",
        "ap-south-1",
    )
    public_pool: IPv4Network = POOL
    quotas: Mapping[str, float] = field(default_factory=lambda: dict(QUOTAS))
    page: int | None = None
    visibility: timedelta = timedelta(0)
    profile_delay: timedelta = timedelta(seconds=2)
    nat_delay: timedelta = timedelta(seconds=2)
    status_delay: timedelta = timedelta(seconds=2)
    terminated_kept: timedelta = timedelta(hours=1)
    spot_notice: timedelta = timedelta(minutes=2)
    clock_tolerance: timedelta = timedelta(minutes=5)
    bucket: float = 100
    refill: float = 20
    launch_bucket: float = 1000
    launch_refill: float = 2
