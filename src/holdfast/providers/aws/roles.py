"""Machine roles: an IAM role in an instance profile, both of one name, global to the account.

Nodes need no right at AWS: the role has no policy. It exists so that EC2 can tell a machine's role
and so that rights can be given later without replacing machines.

The profile is made first and deleted last: as long as any part is there, it shows.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from holdfast.model.ids import ClusterId, InstallationId, ResourceName
from holdfast.model.observed import Blind, Seen
from holdfast.model.resource import MachineRole, Role
from holdfast.providers import errors
from holdfast.providers.aws import tagging
from holdfast.providers.aws.client import Answer, Call, Client, home
from holdfast.providers.aws.machine import machine_role
from holdfast.providers.aws.tagging import Owner
from holdfast.providers.port import Scope

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
KIND = frozenset({"MachineRole"})


async def observe(
    client: Client, scope: Scope, cluster: ClusterId | None
) -> Sequence[Seen | Blind]:
    """The roles of one cluster by name, or of the installation by path."""
    try:
        if cluster is None:
            return await _all(client, scope)
        found = await asyncio.gather(
            *(_profile(client, scope, _profile_of(cluster, role)) for role in Role)
        )
        return [seen for profile in found if (seen := _seen(profile)) is not None]
    except errors.ProviderError as error:
        return [Blind(KIND, str(error), type(error).__name__)]


def _profile_of(cluster: ClusterId, role: Role) -> str:
    return tagging.profile_name(cluster, ResourceName(role.value))


async def _all(client: Client, scope: Scope) -> list[Seen]:
    """A listing tells no tags: path and name are ours alone and say the same."""
    path = tagging.profile_path(scope.installation)
    call = _call(scope, "ListInstanceProfiles", "list machine roles", {"PathPrefix": path})
    result = []
    async for page in client.pages(call, token="Marker"):  # noqa: S106
        for profile in page["InstanceProfiles"]:
            owner = tagging.profile_owner(profile["InstanceProfileName"])
            if owner is not None and profile["Path"] == path:
                name = ResourceName(f"aws/role/{owner[1]}")
                whose = Owner(InstallationId(scope.installation), owner[0], name)
                result.append(machine_role(profile, whose))
    return result


async def _profile(client: Client, scope: Scope, name: str) -> Answer | None:
    call = _call(scope, "GetInstanceProfile", f"read {name}", {"InstanceProfileName": name})
    try:
        found: Answer = (await client.call(call))["InstanceProfile"]
    except errors.NotFound:
        return None
    return found


def _seen(profile: Answer | None) -> Seen | None:
    owner = tagging.owner_of(tagging.tags_of(profile)) if profile is not None else None
    return machine_role(profile, owner) if profile is not None and owner is not None else None


async def create(client: Client, scope: Scope, role: MachineRole) -> None:
    """Make what is missing of the three parts. Raises Conflict for a name that is not ours."""
    name, what = tagging.profile_name(scope.cluster, role.name), f"create {role.name}"
    common = {"Path": tagging.profile_path(scope.installation), "Tags": tagging.tags(scope, role)}
    profile = await _profile(client, scope, name)
    if profile is None:
        made = {"InstanceProfileName": name, **common}
        await _made(client, scope, "CreateInstanceProfile", what, made)
    elif not tagging.is_ours(tagging.tags_of(profile), scope):
        words = tagging.words(tagging.tags_of(profile))
        raise errors.Conflict(what, "EntityAlreadyExists", f"{name} is not ours: {words}")
    if profile is not None and profile.get("Roles"):
        return
    trust = json.dumps(TRUST)
    params = {"RoleName": name, "AssumeRolePolicyDocument": trust, **common}
    await _made(client, scope, "CreateRole", what, params)
    both = {"InstanceProfileName": name, "RoleName": name}
    try:
        await client.call(_call(scope, "AddRoleToInstanceProfile", what, both))
    except errors.QuotaExceeded:
        # One role is all that a profile takes: a repeat of a call whose answer was lost.
        again = await _profile(client, scope, name)
        if not (again or {}).get("Roles"):
            raise


async def delete(client: Client, scope: Scope, name: str) -> None:
    """Take all three parts away; parts that are gone already are fine."""
    what = f"delete machine role {name}"
    profile = await _profile(client, scope, name)
    if profile is None:
        return
    if not tagging.is_ours(tagging.tags_of(profile), scope):
        words = tagging.words(tagging.tags_of(profile))
        raise errors.Conflict(what, "", f"{name} is not ours: {words}")
    steps: list[tuple[str, dict[str, object]]] = [
        ("DeleteRole", {"RoleName": name}),
        ("DeleteInstanceProfile", {"InstanceProfileName": name}),
    ]
    for held in profile.get("Roles", ()):
        both = {"InstanceProfileName": name, "RoleName": held["RoleName"]}
        steps.insert(0, ("RemoveRoleFromInstanceProfile", both))
    for action, params in steps:
        try:
            await client.call(_call(scope, action, what, params))
        except errors.NotFound:
            continue


async def _made(
    client: Client, scope: Scope, action: str, what: str, params: Mapping[str, object]
) -> None:
    """A create by name. What is there already under our name, in our path, is ours."""
    try:
        await client.call(replace(_call(scope, action, what, params), creating=True))
    except errors.Conflict:
        return


def _call(scope: Scope, action: str, what: str, params: Mapping[str, object]) -> Call:
    return Call("iam", action, home(scope.region), what, params)
