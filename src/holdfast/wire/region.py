"""Region groups: one native region per cloud, chosen for low latency between them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from holdfast.model.offering import Cloud
from holdfast.wire.document import Document


@dataclass(frozen=True, slots=True)
class RegionGroup:
    """A region of v1. `native` is the cloud's own name of its region in this group."""

    name: str
    display_name: str
    native: Mapping[Cloud, str]


def _group(name: str, display_name: str, aws: str, gcp: str, azure: str, do: str) -> RegionGroup:
    names = {Cloud.AWS: aws, Cloud.GCP: gcp, Cloud.AZURE: azure, Cloud.DO: do}
    return RegionGroup(name, display_name, {cloud: own for cloud, own in names.items() if own})


# eu-central stands first: published clients take the first entry as their default.
REGIONS = (
    _group(
        "eu-central",
        "Europe Central (Frankfurt)",
        "eu-central-1",
        "europe-west3",
        "germanywestcentral",
        "fra1",
    ),
    _group("us-east", "US East (Ashburn)", "us-east-1", "us-east4", "eastus", "nyc1"),
    _group("us-west", "US West (California)", "us-west-1", "us-west2", "westus", "sfo3"),
    _group(
        "sa-east",
        "South America East (São Paulo)",
        "sa-east-1",
        "southamerica-east1",
        "brazilsouth",
        "",
    ),
)


def groups(overrides: Mapping[str, Mapping[Cloud, str]]) -> tuple[RegionGroup, ...]:
    """The published groups, with other native regions where the installation says so."""
    return tuple(
        replace(group, native={**group.native, **overrides.get(group.name, {})})
        for group in REGIONS
    )


def find(name: str, known: Iterable[RegionGroup]) -> RegionGroup | None:
    """The group of that name."""
    return next((group for group in known if group.name == name), None)


class RegionCloud(Document):
    """A cloud that a region covers."""

    name: Cloud


class Region(Document):
    """A region as v1 lists it."""

    name: str
    display_name: str
    clouds: list[RegionCloud]


class RegionList(Document):
    """All regions."""

    items: list[Region]


class RegionName(Document):
    """A cluster's region: an object in answers, although requests send a string."""

    name: str
    display_name: str


def shown(known: Iterable[RegionGroup]) -> RegionList:
    """The groups as v1 lists them."""
    return RegionList(
        items=[
            Region(
                name=group.name,
                display_name=group.display_name,
                clouds=[RegionCloud(name=cloud) for cloud in group.native],
            )
            for group in known
        ]
    )


def named(name: str, known: Iterable[RegionGroup]) -> RegionName:
    """A cluster's region; a group that is no longer offered shows its bare name."""
    group = find(name, known)
    return RegionName(name=name, display_name=group.display_name if group else name)
