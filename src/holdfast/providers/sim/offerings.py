"""What the simulated clouds sell: seeded catalogues. Every price here is invented."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from holdfast.model.offering import CapacityType, Cloud, Offering, OfferingKey, Size
from holdfast.providers.sim.clouds import TRAITS
from holdfast.providers.sim.draws import Draws

ADDRESS_PRICE = Decimal("0.005")  # USD per hour; invented
DISK_PRICE = Decimal("0.00013")  # USD per hour and GiB; invented
CPU_PRICE = 0.020  # USD per hour and vCPU; invented
MEMORY_PRICE = 0.0027  # USD per hour and GiB; invented
SPREAD = 0.15  # on-demand prices differ by so much between types and regions
SPOT = (0.25, 0.45)  # share of the on-demand price, by zone
ARM_DISCOUNT = 0.8

# Region -> zones. The last character of a zone tells its subnet, as on the real clouds.
REGIONS: Mapping[Cloud, Mapping[str, tuple[str, ...]]] = {
    Cloud.AWS: {
        "eu-central-1": ("eu-central-1a", "eu-central-1b", "eu-central-1c"),
        "us-east-1": ("us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d"),
        "af-south-1": ("af-south-1a", "af-south-1b", "af-south-1c"),
    },
    Cloud.GCP: {
        "europe-west3": ("europe-west3-a", "europe-west3-b", "europe-west3-c"),
        "us-east1": ("us-east1-b", "us-east1-c", "us-east1-d"),
    },
    Cloud.AZURE: {
        "germanywestcentral": ("1", "2", "3"),
        "eastus": ("1", "2", "3"),
    },
    Cloud.DO: {"fra1": ("fra1",), "nyc3": ("nyc3",)},
}
NOT_ENABLED = frozenset({"af-south-1"})  # as on AWS, until the account's owner opts in

_Type = tuple[str, int, int, str]  # name, vCPUs, GiB, architecture
TYPES: Mapping[Cloud, tuple[_Type, ...]] = {
    Cloud.AWS: (
        ("t3a.small", 2, 2, "amd64"),
        ("t3a.medium", 2, 4, "amd64"),
        ("t3a.large", 2, 8, "amd64"),
        ("c6a.large", 2, 4, "amd64"),
        ("m6a.large", 2, 8, "amd64"),
        ("m6a.xlarge", 4, 16, "amd64"),
        ("m6a.2xlarge", 8, 32, "amd64"),
        ("m6a.4xlarge", 16, 64, "amd64"),
        ("t4g.medium", 2, 4, "arm64"),
        ("m7g.large", 2, 8, "arm64"),
        ("m7g.xlarge", 4, 16, "arm64"),
    ),
    Cloud.GCP: (
        ("e2-small", 2, 2, "amd64"),
        ("e2-medium", 2, 4, "amd64"),
        ("e2-standard-2", 2, 8, "amd64"),
        ("e2-standard-4", 4, 16, "amd64"),
        ("n2-standard-8", 8, 32, "amd64"),
        ("n2-standard-16", 16, 64, "amd64"),
        ("t2a-standard-2", 2, 8, "arm64"),
        ("t2a-standard-4", 4, 16, "arm64"),
    ),
    Cloud.AZURE: (
        ("Standard_B2ls_v2", 2, 4, "amd64"),
        ("Standard_B2s_v2", 2, 8, "amd64"),
        ("Standard_D4as_v5", 4, 16, "amd64"),
        ("Standard_D8as_v5", 8, 32, "amd64"),
        ("Standard_D16as_v5", 16, 64, "amd64"),
        ("Standard_D2ps_v5", 2, 8, "arm64"),
    ),
    Cloud.DO: (
        ("s-1vcpu-2gb", 1, 2, "amd64"),
        ("s-2vcpu-4gb", 2, 4, "amd64"),
        ("g-2vcpu-8gb", 2, 8, "amd64"),
        ("g-4vcpu-16gb", 4, 16, "amd64"),
        ("g-8vcpu-32gb", 8, 32, "amd64"),
        ("g-16vcpu-64gb", 16, 64, "amd64"),
    ),
}
ARCHITECTURES = ("amd64", "arm64")
IMAGES = 3  # newer ones that are there when an older one is withdrawn


@dataclass(frozen=True, slots=True)
class Image:
    """An image of a region; it may be withdrawn."""

    id: str
    arch: str


class Market:
    """Everything on sale in one world; a region is worked out when it is first asked for."""

    def __init__(self, draws: Draws) -> None:
        self._draws = draws
        self._offers: dict[tuple[Cloud, str], dict[OfferingKey, Offering]] = {}

    def zones(self, cloud: Cloud, region: str) -> tuple[str, ...]:
        """The zones of a region; empty for a region that the cloud does not have."""
        return REGIONS[cloud].get(region, ())

    def offers(self, cloud: Cloud, region: str) -> Mapping[OfferingKey, Offering]:
        """By key, ordered by type, zone and capacity type."""
        place = (cloud, region)
        if place not in self._offers:
            made = sorted(self._made(cloud, region), key=_order)
            self._offers[place] = {offer.key: offer for offer in made}
        return self._offers[place]

    def offer(self, key: OfferingKey) -> Offering | None:
        """One offering; None where that is not on sale."""
        return self.offers(key.cloud, key.region).get(key)

    def images(self, cloud: Cloud, region: str) -> tuple[Image, ...]:
        """All images of a region, per architecture the oldest first."""
        prefix = "ami" if cloud is Cloud.AWS else "image"
        return tuple(
            Image(f"{prefix}-{self._draws.hex(17, 'image', cloud, region, arch, age)}", arch)
            for arch in self._architectures(cloud)
            for age in range(IMAGES)
        )

    def _architectures(self, cloud: Cloud) -> tuple[str, ...]:
        sold = {arch for _, _, _, arch in TYPES[cloud]}
        return tuple(arch for arch in ARCHITECTURES if arch in sold)

    def _made(self, cloud: Cloud, region: str) -> Iterable[Offering]:
        for name, cpus, gib, arch in TYPES[cloud]:
            size = Size(cpus, gib * 1024)
            price = self._on_demand(cloud, region, name, size, arch)
            for zone in self.zones(cloud, region):
                key = OfferingKey(cloud, region, zone, name, CapacityType.ON_DEMAND)
                yield Offering(key, size, _money(price), arch)
                if TRAITS[cloud].spot_lead is not None:
                    share = self._draws.between(*SPOT, "spot-price", cloud, region, zone, name)
                    spot = replace(key, capacity_type=CapacityType.SPOT)
                    yield Offering(spot, size, _money(price * share), arch)

    def _on_demand(self, cloud: Cloud, region: str, name: str, size: Size, arch: str) -> float:
        plain = size.cpus * CPU_PRICE + size.memory_mib / 1024 * MEMORY_PRICE
        spread = self._draws.between(1 - SPREAD, 1 + SPREAD, "price", cloud, region, name)
        return plain * spread * (ARM_DISCOUNT if arch == "arm64" else 1)


def _money(price: float) -> Decimal:
    return Decimal(f"{price:.4f}")


def _order(offer: Offering) -> tuple[str, str, str]:
    return offer.key.instance_type, offer.key.zone, offer.key.capacity_type.value
