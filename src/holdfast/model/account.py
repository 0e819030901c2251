"""What we know of an account: who it is, what it may do, what it can buy where."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from holdfast.model.offering import Offering


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit of the account in a region. `used` and `limit` in the cloud's own unit."""

    code: str  # the cloud's own: "L-1216C47A"
    name: str
    unit: str  # "vCPU", "addresses", "networks"
    limit: float
    used: float | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """Who the credentials are, and what they may do.

    missing  the permissions that are needed and lacking, by the cloud's own names
    """

    id: str  # account, project, subscription or team
    principal: str  # "arn:aws:iam::123456789012:user/holdfast"
    regions: tuple[str, ...]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Region:
    """What a region offers now. `images` maps architecture to the newest image's id."""

    name: str
    zones: tuple[str, ...]
    offerings: tuple[Offering, ...]
    quotas: tuple[Quota, ...]
    images: Mapping[str, str]
    address_price: Decimal = Decimal(0)  # USD per hour of one public address
    disk_price: Decimal = Decimal(0)  # USD per hour of one GiB of root disk
