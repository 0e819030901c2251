"""Volumes: what a launch brings along, and what EBS refuses."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moto.ec2.models.amis import Ami
from moto.ec2.models.elastic_block_store import Volume

from holdfast_sandbox.aws import catalogue
from holdfast_sandbox.aws.ec2.ask import Ask
from holdfast_sandbox.aws.ec2.backend import Backend
from holdfast_sandbox.aws.ec2.instances import Machine
from holdfast_sandbox.aws.errors import AwsError

KINDS = ("gp2", "gp3", "io1", "io2", "st1", "sc1", "standard")


@dataclass(frozen=True, slots=True)
class VolumePlan:
    """A volume of a launch; sizes in GiB, throughput in MiB/s."""

    device: str
    size: int
    kind: str
    iops: int | None
    throughput: int | None
    encrypted: bool
    kept: bool


def volume_plans(ask: Ask, image: Ami) -> tuple[VolumePlan, ...]:
    """The volumes of a launch: the image's root, changed and joined by the call's mappings."""
    root = image.block_device_mappings[0]
    wanted: dict[str, Mapping[str, Any]] = {root["DeviceName"]: root["Ebs"]}
    for mapping in ask.items("BlockDeviceMappings"):
        device = str(mapping.get("DeviceName", ""))
        if mapping.get("NoDevice") is not None:
            wanted.pop(device, None)
            continue
        if "Ebs" not in mapping:
            raise AwsError("InvalidBlockDeviceMapping", f"Only EBS volumes are possible: {device}")
        wanted[device] = {**wanted.get(device, {}), **mapping["Ebs"]}
    return tuple(_plan(device, ebs, root) for device, ebs in wanted.items())


def _plan(device: str, ebs: Mapping[str, Any], root: Mapping[str, Any]) -> VolumePlan:
    size, least = ebs.get("VolumeSize"), root["Ebs"]["VolumeSize"]
    is_root = device == root["DeviceName"]
    if size is None:
        raise AwsError(
            "MissingParameter", "The request must contain the parameter size or snapshotId"
        )
    if is_root and int(size) < least:
        raise AwsError(
            "InvalidBlockDeviceMapping",
            f"Volume of size {size}GB is smaller than the snapshot's, expect size >= {least}GB",
        )
    kind = str(ebs.get("VolumeType", "gp3"))
    if kind not in KINDS:
        raise AwsError("InvalidParameterValue", f"Invalid volume type: {kind}")
    return VolumePlan(
        device,
        int(size),
        kind,
        ebs.get("Iops"),
        ebs.get("Throughput"),
        bool(ebs.get("Encrypted", False)),
        kept=not ebs.get("DeleteOnTermination", is_root),
    )


def attach_planned(
    backend: Backend, machine: Machine, plans: tuple[VolumePlan, ...]
) -> Iterator[Volume]:
    """Make the volumes of one machine and attach them; yields each."""
    for plan in plans:
        volume = backend.create_volume(
            plan.size,
            str(machine.availability_zone),
            encrypted=plan.encrypted,
            volume_type=plan.kind,
            iops=plan.iops,
            throughput=plan.throughput,
        )
        volume.create_time = backend.world.stamp()
        backend.attach_volume(volume.id, machine.id, plan.device, not plan.kept)
        yield volume


def check_attach(ask: Ask) -> None:
    """A volume attaches to one machine, of its own zone (H33)."""
    volume = ask.backend.get_volume(ask.text("VolumeId"))
    machine = ask.backend.machine(ask.text("InstanceId"))
    if volume.attachment:
        raise AwsError("VolumeInUse", f"vol {volume.id} is already attached to an instance")
    if volume.availability_zone != machine.availability_zone:
        raise AwsError(
            "InvalidVolume.ZoneMismatch",
            f"The volume '{volume.id}' is not in the same availability zone as instance "
            f"'{machine.id}'",
        )
    if machine.state not in ("running", "stopped", "stopping"):
        raise AwsError("IncorrectState", f"Instance '{machine.id}' is not 'running'.")
    if ask.text("Device") in machine.block_device_mapping:
        text = f"Invalid value '{ask.text('Device')}' for unixDevice. Attachment point is in use"
        raise AwsError("InvalidParameterValue", text)


def check_detach(ask: Ask) -> None:
    """Find the machine that the caller left out; the root of a running one stays."""
    volume = ask.backend.get_volume(ask.text("VolumeId"))
    if not volume.attachment:
        raise AwsError("IncorrectState", f"Volume '{volume.id}' is in the 'available' state.")
    machine = ask.backend.machine(volume.attachment.instance.id)
    if ask.text("InstanceId") not in ("", machine.id):
        raise AwsError(
            "InvalidAttachment.NotFound",
            f"The volume '{volume.id}' is not attached to '{ask.text('InstanceId')}'",
        )
    if volume.attachment.device == machine.root_device_name and machine.state == "running":
        raise AwsError(
            "OperationNotPermitted", f"Unable to detach root volume '{volume.id}' from instance"
        )
    ask.params["InstanceId"] = machine.id
    ask.params["Device"] = volume.attachment.device


def check_create(ask: Ask) -> None:
    """A volume needs a size, a zone of this region, and a known type."""
    zone = ask.text("AvailabilityZone")
    if zone not in catalogue.zones(ask.call.region):
        raise AwsError("InvalidZone.NotFound", f"The zone '{zone}' does not exist.")
    if not ask.params.get("Size") and not ask.params.get("SnapshotId"):
        raise AwsError(
            "MissingParameter", "The request must contain the parameter size or snapshotId"
        )
    if ask.params.get("VolumeType", "gp2") not in KINDS:
        raise AwsError("InvalidParameterValue", f"Invalid volume type: {ask.text('VolumeType')}")
