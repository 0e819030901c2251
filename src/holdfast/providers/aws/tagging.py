"""Ownership on AWS: tags, the filters that find them, and names that follow from identity. Pure.

Route, attachment, association and binding carry no tags: each is named after the thing that it is
a part of, `aws/subnet/x` -> `aws/route-association/x`, as `planner.desired` names them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.model import names
from holdfast.model.ids import ClusterId, InstallationId, ResourceName
from holdfast.model.resource import Resource, VirtualMachine
from holdfast.providers.port import Scope

# What cannot be read back from an instance, or no longer from a terminated one.
TAG_HOSTNAME = "holdfast:hostname"
TAG_ROLE = "holdfast:role"
TAG_DISK = "holdfast:disk-gib"
TAG_SUBNET = "holdfast:subnet"
TAG_GROUPS = "holdfast:groups"
TAG_MACHINE_ROLE = "holdfast:machine-role"

IAM_PATH = "/holdfast/"
_PROFILE = "holdfast"
_UUID_LENGTH = 36

Tags = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a thing is, by its tags."""

    installation: InstallationId
    cluster: ClusterId
    name: ResourceName


def tags_of(thing: Mapping[str, Any]) -> dict[str, str]:
    """The tags of anything that AWS answers (network interfaces call them TagSet)."""
    found = thing.get("Tags") or thing.get("TagSet") or ()
    return {tag["Key"]: tag.get("Value", "") for tag in found}


def owner_of(tags: Tags) -> Owner | None:
    """Whose it is; None when our tags are not all there."""
    try:
        return Owner(
            InstallationId(tags[names.TAG_INSTALLATION]),
            ClusterId(tags[names.TAG_CLUSTER]),
            ResourceName(tags[names.TAG_NAME]),
        )
    except KeyError:
        return None


def is_ours(tags: Tags, scope: Scope) -> bool:
    """True for a thing of this installation and this cluster."""
    owner = owner_of(tags)
    return owner is not None and (owner.installation, owner.cluster) == (
        scope.installation,
        scope.cluster,
    )


def words(tags: Tags) -> str:
    """What the tags of a foreign thing say of its owner, for people."""
    said = [f"{key}={value}" for key, value in sorted(tags.items()) if not key.startswith("aws:")]
    return ", ".join(said[:5]) or "no tags"


def tags(scope: Scope, resource: Resource) -> list[dict[str, str]]:
    """All tags of a new thing in the SDK's form: a display name, the user's, ours last."""
    display = (
        resource.hostname
        if isinstance(resource, VirtualMachine)
        else names.cloud_name(scope.cluster_name, scope.cluster, resource.name)
    )
    users = {"Name": display, **dict(scope.tags)}
    found = names.tags(scope.installation, scope.cluster, resource.name, users)
    if isinstance(resource, VirtualMachine):
        found |= _machine_tags(resource)
    return [{"Key": key, "Value": value} for key, value in found.items()]


def _machine_tags(machine: VirtualMachine) -> dict[str, str]:
    return {
        names.TAG_MACHINE: machine.machine,
        TAG_HOSTNAME: machine.hostname,
        TAG_ROLE: machine.role.value,
        TAG_DISK: str(machine.disk_gib),
        TAG_SUBNET: machine.subnet,
        TAG_GROUPS: " ".join(machine.groups),
        TAG_MACHINE_ROLE: machine.machine_role,
    }


def specifications(scope: Scope, resource: Resource, *kinds: str) -> list[dict[str, Any]]:
    """`TagSpecifications` of a create call: one for each kind of thing that the call makes."""
    found = tags(scope, resource)
    return [{"ResourceType": kind, "Tags": found} for kind in kinds]


def owned_by(installation: InstallationId, cluster: ClusterId | None) -> list[dict[str, Any]]:
    """`Filters` for everything of this installation, or of one cluster of it."""
    found = [{"Name": f"tag:{names.TAG_INSTALLATION}", "Values": [installation]}]
    if cluster is not None:
        found.append({"Name": f"tag:{names.TAG_CLUSTER}", "Values": [cluster]})
    return found


def named(scope: Scope, name: ResourceName) -> list[dict[str, Any]]:
    """`Filters` for one thing of a cluster by its name."""
    by_name = {"Name": f"tag:{names.TAG_NAME}", "Values": [name]}
    return [*owned_by(scope.installation, scope.cluster), by_name]


def part(name: ResourceName, kind: str) -> ResourceName:
    """The name of the attachment, association or binding of the thing called `name`."""
    cloud, _, rest = name.partition("/")
    which = rest.partition("/")[2]
    return ResourceName("/".join(filter(None, (cloud, kind, which))))


def route_of(table: ResourceName) -> ResourceName:
    """The name of the default route in a table."""
    return ResourceName(f"{table.partition('/')[0]}/route/internet")


def group_name(cluster: ClusterId, name: ResourceName) -> str:
    """A security group's name, unique in its network: says which of ours it is without a look-up.

    AWS lets it have 255 characters, of ASCII letters, digits, spaces and ._-:/()#,@[]+=&;{}!$*
    """
    return f"{cluster}/{name}"


def profile_name(cluster: ClusterId, name: ResourceName) -> str:
    """The name of a machine role's instance profile and of its IAM role, at most 64 characters."""
    return f"{_PROFILE}-{cluster}-{name.rpartition('/')[2]}"


def profile_path(installation: InstallationId) -> str:
    """The IAM path of an installation's roles: a listing by it finds them all, and no others."""
    return f"{IAM_PATH}{installation}/"


def profile_owner(name: str) -> tuple[ClusterId, str] | None:
    """(cluster, role) of an instance profile's name; None for a name that is not of our form."""
    prefix, _, rest = name.partition("-")
    cluster, role = rest[:_UUID_LENGTH], rest[_UUID_LENGTH + 1 :]
    if prefix != _PROFILE or len(cluster) < _UUID_LENGTH or not role:
        return None
    return ClusterId(cluster), role
