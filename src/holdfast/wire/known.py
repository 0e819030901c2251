"""What a request is checked against, and where a cluster would live."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast.model.account import Region
from holdfast.model.ids import CredentialsId
from holdfast.model.offering import Cloud, Size
from holdfast.wire.region import RegionGroup


@dataclass(frozen=True, slots=True)
class Known:
    """What a request is checked against.

    groups       the region groups on offer
    clouds       the clouds that this release can drive
    credentials  all stored credentials and their clouds
    catalogues   what each cloud sells in the wanted region; a cloud may be missing
    """

    groups: tuple[RegionGroup, ...]
    clouds: frozenset[Cloud]
    credentials: Mapping[CredentialsId, Cloud]
    catalogues: Mapping[Cloud, Region] = field(default_factory=dict)

    def sizes(self, cloud: Cloud) -> dict[str, Size]:
        """The instance types that a cloud sells there, with their sizes."""
        region = self.catalogues.get(cloud)
        return {o.key.instance_type: o.size for o in region.offerings} if region else {}


@dataclass(frozen=True, slots=True)
class Place:
    """A cloud's credentials and its own region's name."""

    credentials: CredentialsId
    region: str
