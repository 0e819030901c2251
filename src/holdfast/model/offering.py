"""What can be bought: type x zone x capacity type x price, and how shapes map to types."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Cloud(StrEnum):
    """The clouds of the v1 contract, by its words."""

    AWS = "aws"
    GCP = "gcp"
    AZURE = "azure"
    DO = "do"


class CapacityType(StrEnum):
    """How a machine is paid for."""

    ON_DEMAND = "on-demand"
    SPOT = "spot"


class Shape(StrEnum):
    """Cloud-neutral machine sizes of the v1 contract."""

    X_SMALL = "x-small"
    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"
    X_LARGE = "x-large"
    XX_LARGE = "2x-large"


@dataclass(frozen=True, slots=True)
class Size:
    """vCPUs and memory in MiB."""

    cpus: int
    memory_mib: int


# The ladder of the v1 contract: vCPU / GiB.
SHAPES: dict[Shape, Size] = {
    Shape.X_SMALL: Size(1, 2 * 1024),
    Shape.SMALL: Size(2, 4 * 1024),
    Shape.MEDIUM: Size(2, 8 * 1024),
    Shape.LARGE: Size(4, 16 * 1024),
    Shape.X_LARGE: Size(8, 32 * 1024),
    Shape.XX_LARGE: Size(16, 64 * 1024),
}

HOURS_PER_MONTH = 720  # the v1 contract counts 30 days


@dataclass(frozen=True, slots=True)
class OfferingKey:
    """What is asked for when a machine is created."""

    cloud: Cloud
    region: str  # the cloud's own name: "eu-central-1"
    zone: str  # "eu-central-1a"
    instance_type: str
    capacity_type: CapacityType


@dataclass(frozen=True, slots=True)
class Offering:
    """One thing on sale. `price` is USD per hour; `available` is False where it is sold out."""

    key: OfferingKey
    size: Size
    price: Decimal
    arch: str = "amd64"
    available: bool = True


def cheapest(offerings: tuple[Offering, ...], size: Size, arch: str = "amd64") -> Offering | None:
    """The cheapest available offering of at least that size; ties go to the smaller, then name."""
    fitting = [
        offer
        for offer in offerings
        if offer.available
        and offer.arch == arch
        and offer.size.cpus >= size.cpus
        and offer.size.memory_mib >= size.memory_mib
    ]
    return min(
        fitting,
        key=lambda offer: (
            offer.price,
            offer.size.cpus,
            offer.size.memory_mib,
            offer.key.instance_type,
            offer.key.zone,
        ),
        default=None,
    )
