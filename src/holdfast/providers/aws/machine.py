"""A machine and its role on AWS: our values -> RunInstances, DescribeInstances -> our values. Pure.

The root disk's size is not read back: a disk that a person grew is no reason to replace a machine.
"""

from collections.abc import Mapping
from typing import Any

from holdfast.model import names
from holdfast.model.ids import MachineId, ProviderId, ResourceName
from holdfast.model.observed import Life, Seen
from holdfast.model.offering import CapacityType, Cloud, OfferingKey
from holdfast.model.resource import MachineRole, Role, VirtualMachine
from holdfast.providers import errors
from holdfast.providers.aws import tagging
from holdfast.providers.aws.tagging import Owner, Tags
from holdfast.providers.aws.translate import Answer, Ids, moment
from holdfast.providers.port import Creation, Scope

USER_DATA_LIMIT = 16 * 1024  # bytes before base64. Source: AWS EC2, "Instance user data"
_SPOT = {
    "MarketType": "spot",
    "SpotOptions": {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"},
}
# States in which an instance may not tell all of itself.
_TERSE = {Life.PENDING, Life.LEAVING, Life.GONE}
_LIVES = {
    "pending": Life.PENDING,
    "running": Life.PRESENT,
    "shutting-down": Life.LEAVING,
    "terminated": Life.GONE,
    # A stopped machine still bills its disk and never comes back by our doing: it is lost.
    "stopping": Life.FAILED,
    "stopped": Life.FAILED,
}


def launch(scope: Scope, creation: Creation, root_device: str) -> dict[str, Any]:
    """The parameters of RunInstances for exactly one machine.

    Raises RequestRejected for user data that AWS does not take.
    """
    machine = creation.resource
    assert isinstance(machine, VirtualMachine)  # noqa: S101  (the caller's match says so)
    payload = creation.payload or b""
    if len(payload) > USER_DATA_LIMIT:
        detail = f"user data has {len(payload)} bytes, AWS takes {USER_DATA_LIMIT}"
        raise errors.RequestRejected(f"create {machine.name}", "user-data", detail)
    is_spot = machine.offering.capacity_type is CapacityType.SPOT
    made = ["instance", "volume", "network-interface"]
    return {
        "ClientToken": creation.token,
        "MinCount": 1,
        "MaxCount": 1,
        "ImageId": machine.image,
        "InstanceType": machine.offering.instance_type,
        "IamInstanceProfile": {"Name": creation.known[machine.machine_role]},
        "UserData": payload,
        "InstanceInitiatedShutdownBehavior": "terminate",
        "NetworkInterfaces": [_link(machine, creation.known)],
        "BlockDeviceMappings": [_disk(machine, root_device)],
        "MetadataOptions": {
            "HttpEndpoint": "enabled",
            "HttpTokens": "required",
            "HttpPutResponseHopLimit": 1,
        },
        "TagSpecifications": tagging.specifications(
            scope, machine, *made, *(["spot-instances-request"] if is_spot else [])
        ),
        **({"InstanceMarketOptions": _SPOT} if is_spot else {}),
    }


def _link(machine: VirtualMachine, known: Mapping[ResourceName, ProviderId]) -> dict[str, Any]:
    """The primary network interface; its public address lets a machine reach the internet."""
    return {
        "DeviceIndex": 0,
        "SubnetId": known[machine.subnet],
        "Groups": [known[group] for group in machine.groups],
        "AssociatePublicIpAddress": True,
        "DeleteOnTermination": True,
    }


def _disk(machine: VirtualMachine, root_device: str) -> dict[str, Any]:
    return {
        "DeviceName": root_device,
        "Ebs": {
            "VolumeType": "gp3",
            "VolumeSize": machine.disk_gib,
            "Encrypted": True,
            "DeleteOnTermination": True,
        },
    }


def virtual_machine(thing: Answer, owner: Owner, ids: Ids, region: str) -> Seen:
    """One of DescribeInstances. A terminated one no longer tells its network: tags do."""
    tags = tagging.tags_of(thing)
    now = _LIVES.get(thing["State"]["Name"], Life.FAILED)
    resource = VirtualMachine(
        name=owner.name,
        machine=MachineId(tags.get(names.TAG_MACHINE, owner.name.rpartition("/")[2])),
        hostname=tags.get(tagging.TAG_HOSTNAME, ""),
        role=_role(tags.get(tagging.TAG_ROLE, "")),
        offering=_offering(thing, region),
        image=thing.get("ImageId", ""),
        disk_gib=_number(tags.get(tagging.TAG_DISK, "")),
        subnet=ids.ours.get(thing.get("SubnetId", ""), _declared(tags, tagging.TAG_SUBNET)),
        groups=_groups(thing, tags, owner, ids),
        machine_role=_machine_role(thing, tags, owner),
    )
    return Seen(
        resource=resource,
        id=ProviderId(thing["InstanceId"]),
        life=now,
        cluster=owner.cluster,
        installation=owner.installation,
        created_at=moment(thing.get("LaunchTime")),
        private_ip=thing.get("PrivateIpAddress"),
        public_ip=thing.get("PublicIpAddress"),
        evidence="" if now.is_living else evidence(thing),
    )


def evidence(thing: Answer) -> str:
    """State, reason and its code, in the cloud's own words, none of them twice."""
    reason = thing.get("StateReason", {})
    code, words = reason.get("Code", ""), reason.get("Message", "")
    told = (
        thing["State"]["Name"],
        code,
        words.removeprefix(f"{code}: "),
        thing.get("StateTransitionReason", "").removeprefix(f"{code}: ").removeprefix(words),
    )
    return ": ".join(dict.fromkeys(part for part in told if part))


def _offering(thing: Answer, region: str) -> OfferingKey:
    spot = thing.get("InstanceLifecycle") == "spot"
    return OfferingKey(
        cloud=Cloud.AWS,
        region=region,
        zone=thing.get("Placement", {}).get("AvailabilityZone", ""),
        instance_type=thing["InstanceType"],
        capacity_type=CapacityType.SPOT if spot else CapacityType.ON_DEMAND,
    )


def _declared(tags: Tags, key: str) -> ResourceName:
    return ResourceName(tags.get(key, ""))


def _groups(thing: Answer, tags: Tags, owner: Owner, ids: Ids) -> tuple[ResourceName, ...]:
    """The groups that it is in; as declared, in that order, where these are the same."""
    declared = tuple(ResourceName(word) for word in tags.get(tagging.TAG_GROUPS, "").split())
    found = {group["GroupName"]: group["GroupId"] for group in thing.get("SecurityGroups", ())}
    if not found and _LIVES.get(thing["State"]["Name"]) in _TERSE:
        return declared
    if found.keys() == {tagging.group_name(owner.cluster, name) for name in declared}:
        return declared
    return tuple(sorted(ids.ours.get(one, ResourceName(one)) for one in found.values()))


def _machine_role(thing: Answer, tags: Tags, owner: Owner) -> ResourceName:
    """The role that it has: the declared one where the instance profile is that one's."""
    declared = _declared(tags, tagging.TAG_MACHINE_ROLE)
    profile = thing.get("IamInstanceProfile", {}).get("Arn", "").rpartition("/")[2]
    terse = not profile and _LIVES.get(thing["State"]["Name"]) in _TERSE
    if terse or profile == tagging.profile_name(owner.cluster, declared):
        return declared
    return ResourceName(profile)


def _role(word: str) -> Role:
    return Role.CONTROL_PLANE if word == Role.CONTROL_PLANE.value else Role.WORKER


def _number(word: str) -> int:
    return int(word) if word.isdigit() else 0


def machine_role(profile: Answer, owner: Owner) -> Seen:
    """An instance profile. One without its role is half made or half deleted: useless, but ours."""
    whole = bool(profile.get("Roles"))
    return Seen(
        resource=MachineRole(owner.name, _role(owner.name.rpartition("/")[2])),
        id=ProviderId(profile["InstanceProfileName"]),
        life=Life.PRESENT if whole else Life.FAILED,
        cluster=owner.cluster,
        installation=owner.installation,
        created_at=moment(profile.get("CreateDate")),
        evidence="" if whole else "the instance profile has no role",
    )
