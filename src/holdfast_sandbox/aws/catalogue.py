"""Machine types and where they are offered: moto's real data, cut down to families in use."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, INSTANCE_TYPES

# The rest of moto's 1,395 types would cost seconds in every full listing.
FAMILIES = frozenset(
    ["t3", "t3a", "t4g", "i4i", "g4dn", "g5"]
    + [f"{use}{kind}" for use in "mcr" for kind in ("5", "5a", "6a", "6i", "6g", "7a", "7g", "7i")]
)


@dataclass(frozen=True, slots=True)
class MachineType:
    """What we need of a type; `raw` is the whole record in the SDK's shape."""

    name: str
    cpus: int
    memory_mib: int
    architecture: str
    raw: Mapping[str, Any]

    @property
    def family(self) -> str:
        """`m6i` of `m6i.large`."""
        return self.name.partition(".")[0]


@cache
def types() -> Mapping[str, MachineType]:
    """All types by name."""
    return {
        name: MachineType(
            name,
            int(raw["VCpuInfo"]["DefaultVCpus"]),
            int(raw["MemoryInfo"]["SizeInMiB"]),
            str(raw["ProcessorInfo"]["SupportedArchitectures"][-1]),
            raw,
        )
        for name, raw in sorted(INSTANCE_TYPES.items())
        if name.partition(".")[0] in FAMILIES
    }


@cache
def zones(region: str) -> Mapping[str, str]:
    """Zone name -> zone id, of one region."""
    found = RegionsAndZonesBackend.zones.get(region, [])
    return {zone.name: zone.zone_id for zone in found}


@cache
def offered(region: str) -> Mapping[str, tuple[str, ...]]:
    """Type name -> zones of the region that offer it; types that none offers are left out."""
    found: dict[str, list[str]] = {}
    for offer in INSTANCE_TYPE_OFFERINGS["availability-zone"].get(region, []):
        if offer["InstanceType"] in types() and offer["Location"] in zones(region):
            found.setdefault(offer["InstanceType"], []).append(offer["Location"])
    return {name: tuple(sorted(places)) for name, places in sorted(found.items())}
