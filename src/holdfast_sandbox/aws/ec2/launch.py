"""What a RunInstances call would start: every check of the cloud, before anything is changed."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast_sandbox.aws import catalogue
from holdfast_sandbox.aws.ec2.ask import Ask
from holdfast_sandbox.aws.ec2.backend import Segment
from holdfast_sandbox.aws.ec2.bootable import living_image
from holdfast_sandbox.aws.ec2.quotas import free_vcpus
from holdfast_sandbox.aws.ec2.volumes import VolumePlan, volume_plans
from holdfast_sandbox.aws.errors import AwsError, Gap
from holdfast_sandbox.aws.faults import Facts, Kind

USER_DATA = 16 * 1024
MARKET_TERMS = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
HONOURED = frozenset(
    {
        "BlockDeviceMappings",
        "ClientToken",
        "CreditSpecification",  # no effect: sandbox machines have no CPU credits
        "DisableApiStop",
        "DisableApiTermination",
        "DryRun",
        "EbsOptimized",
        "IamInstanceProfile",
        "ImageId",
        "InstanceInitiatedShutdownBehavior",
        "InstanceMarketOptions",
        "InstanceType",
        "KeyName",
        "MaxCount",
        "MetadataOptions",
        "MinCount",
        "Monitoring",
        "NetworkInterfaces",
        "Placement",
        "PrivateIpAddress",
        "SecurityGroupIds",
        "SecurityGroups",
        "SubnetId",
        "TagSpecifications",
        "UserData",
    }
)


@dataclass(frozen=True, slots=True)
class Launch:
    """What will be started, wholly decided."""

    image: str
    count: int
    subnet: Segment
    groups: tuple[str, ...]
    nic: Mapping[str, Any]
    address: str | None
    public: bool
    market: str
    user_data: bytes
    volumes: tuple[VolumePlan, ...]


def plan(ask: Ask) -> Launch:
    """Check a request as the cloud does. Raises AwsError; changes nothing."""
    _check_known(ask)
    least, most = _counts(ask)
    size = _size(ask)
    image = living_image(ask, ask.text("ImageId"), size.architecture)
    _check_key(ask)
    _check_profile(ask)
    nic = _nic(ask)
    subnet = _subnet(ask, nic)
    market = _market(ask)
    user_data = _user_data(ask)
    groups = _groups(ask, nic, subnet)
    address = ask.params.get("PrivateIpAddress") or nic.get("PrivateIpAddress")
    if address:
        subnet.check_address(str(address))
    if size.name not in catalogue.offered(ask.call.region) or (
        subnet.availability_zone not in catalogue.offered(ask.call.region)[size.name]
    ):
        raise AwsError(
            "Unsupported",
            f"Your requested instance type ({size.name}) is not supported in your requested "
            f"Availability Zone ({subnet.availability_zone}).",
        )
    most = min(most, free_vcpus(ask, size, market, least) // size.cpus)
    count = _granted(ask, size, subnet, market, (least, most))
    wanted = nic.get("AssociatePublicIpAddress")
    public = bool(subnet.map_public_ip_on_launch if wanted is None else wanted)
    return Launch(
        image=str(image.id),
        count=count,
        subnet=subnet,
        groups=groups,
        nic=nic,
        address=address,
        public=public,
        market=market,
        user_data=user_data,
        volumes=volume_plans(ask, image),
    )


def _check_known(ask: Ask) -> None:
    """Refuse what would be ignored silently."""
    strange = [name for name in ask.params if name not in HONOURED and ask.params[name]]
    placement = ask.params.get("Placement") or {}
    strange += [f"Placement.{name}" for name in placement if name != "AvailabilityZone"]
    if strange:
        raise Gap("UnsupportedOperation", f"RunInstances with {strange[0]} is not emulated.")


def _counts(ask: Ask) -> tuple[int, int]:
    least, most = int(ask.params.get("MinCount", 0)), int(ask.params.get("MaxCount", 0))
    if least < 1 or most < least:
        raise AwsError(
            "InvalidParameterValue",
            f"Value ({most}) for parameter maxCount is invalid: minCount is {least}, both must be "
            "at least 1 and maxCount not smaller than minCount.",
        )
    return least, most


def _size(ask: Ask) -> catalogue.MachineType:
    name = ask.text("InstanceType")
    found = catalogue.types().get(name)
    if found is None:
        raise (
            AwsError("InvalidParameterValue", f"Invalid value '{name}' for InstanceType.")
            if (not name)
            else AwsError(
                "InvalidInstanceType.NotFound", f"The instance type '{name}' does not exist"
            )
        )
    return found


def _check_key(ask: Ask) -> None:
    name = ask.text("KeyName")
    if name and name not in ask.backend.key_pairs:
        raise AwsError("InvalidKeyPair.NotFound", f"The key pair '{name}' does not exist")


def _check_profile(ask: Ask) -> None:
    """An instance profile must exist, and EC2 learns of a new one late (H28)."""
    profile = ask.params.get("IamInstanceProfile") or {}
    if not profile:
        return
    from moto.iam.models import iam_backends  # noqa: PLC0415 - only for profiles

    name = profile.get("Name") or str(profile.get("Arn", "")).rpartition("/")[2]
    found = next(
        (
            p
            for p in iam_backends[ask.call.account]["aws"].instance_profiles.values()
            if p.name == name
        ),
        None,
    )
    born = ask.world.state.births.get(f"profile:{ask.call.account}:{name}")
    young = born is not None and ask.world.now() - born < ask.world.settings.profile_delay
    if found is None or young:
        raise AwsError(
            "InvalidParameterValue",
            f"Value ({name}) for parameter iamInstanceProfile.name is invalid. "
            "Invalid IAM Instance Profile name",
        )


def _nic(ask: Ask) -> Mapping[str, Any]:
    nics = ask.items("NetworkInterfaces")
    if not nics:
        return {}
    if any(ask.params.get(name) for name in ("SubnetId", "SecurityGroupIds", "SecurityGroups")):
        raise AwsError(
            "InvalidParameterCombination",
            "Network interfaces and an instance-level subnet ID or security groups may not be "
            "specified on the same request",
        )
    nic: dict[str, Any] = dict(nics[0])
    if len(nics) > 1 or nic.get("NetworkInterfaceId") or nic.get("SecondaryPrivateIpAddressCount"):
        raise Gap("UnsupportedOperation", "Only one new network interface per launch is emulated.")
    if int(nic.get("DeviceIndex", -1)) != 0:
        raise AwsError("InvalidParameterValue", "The primary interface must have device index 0.")
    return nic


def _subnet(ask: Ask, nic: Mapping[str, Any]) -> Segment:
    name = nic.get("SubnetId") or ask.text("SubnetId")
    zone = (ask.params.get("Placement") or {}).get("AvailabilityZone")
    if not name:
        defaults = ask.backend.get_default_subnets()
        if not defaults:
            raise AwsError(
                "MissingInput", "No subnets found for the default VPC. Please specify a subnet."
            )
        found: Any = defaults.get(zone) if zone else defaults[sorted(defaults)[0]]
        if found is None:
            raise AwsError("InvalidParameterValue", f"Invalid availability zone: [{zone}]")
        return _segment(found)
    subnet = _segment(ask.backend.get_subnet(name))
    if zone and zone != subnet.availability_zone:
        raise AwsError(
            "InvalidParameterValue",
            f"Value ({zone}) for parameter availabilityZone is invalid. Subnet '{name}' is in the "
            f"availability zone {subnet.availability_zone}",
        )
    return subnet


def _segment(subnet: object) -> Segment:
    assert isinstance(subnet, Segment)
    return subnet


def _market(ask: Ask) -> str:
    options = ask.params.get("InstanceMarketOptions") or {}
    if not options:
        return "on-demand"
    spot = options.get("SpotOptions") or {}
    for name, value in MARKET_TERMS.items():
        if spot.get(name, value) != value:
            raise Gap("UnsupportedOperation", f"Spot with {name}={spot[name]} is not emulated.")
    return str(options.get("MarketType", "spot"))


def _user_data(ask: Ask) -> bytes:
    text = ask.text("UserData")
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise AwsError(
            "InvalidUserData.Malformed", "Invalid BASE64 encoding of user data"
        ) from error
    if len(raw) > USER_DATA:
        raise AwsError(
            "InvalidParameterValue", f"User data is limited to {USER_DATA} bytes, got {len(raw)}"
        )
    return raw


def _groups(ask: Ask, nic: Mapping[str, Any], subnet: Segment) -> tuple[str, ...]:
    names = list(nic.get("Groups") or ask.items("SecurityGroupIds"))
    vpc = subnet.vpc_id
    for name in ask.items("SecurityGroups"):
        by_name = ask.backend.get_security_group_from_name(name, vpc)
        names.append(by_name.id if by_name else name)
    for name in names:
        group = ask.backend.groups[vpc].get(name)
        if group is None:
            raise AwsError(
                "InvalidGroup.NotFound",
                f"The security group '{name}' does not exist in VPC '{vpc}'",
            )
    if not names:
        default = ask.backend.get_default_security_group(vpc)
        names = [default.id] if default else []
    return tuple(dict.fromkeys(names))


def _granted(
    ask: Ask,
    size: catalogue.MachineType,
    subnet: Segment,
    market: str,
    counts: tuple[int, int],
) -> int:
    """How many of MaxCount the zone has: what a capacity fault leaves, at least MinCount."""
    least, most = counts
    facts = Facts(
        ask.call.account,
        ask.call.region,
        type=size.name,
        zone=subnet.availability_zone,
        market=market,
    )
    drought = ask.world.faults.take((Kind.CAPACITY,), facts)
    left = most if drought is None else min(most, int(drought.value))
    left = min(left, subnet.available_ip_address_count)
    if left >= least:
        return left
    if drought is None:
        subnet.free_address()
        raise AwsError(
            "InsufficientFreeAddressesInSubnet",
            f"There are not enough free addresses in subnet '{subnet.id}' to satisfy the "
            "requested number of instances.",
        )
    raise AwsError(
        "InsufficientInstanceCapacity",
        f"We currently do not have sufficient {size.name} capacity in the Availability Zone you "
        f"requested ({subnet.availability_zone}). Our system will be working on provisioning "
        "additional capacity.",
        500,
    )
