"""Describe actions that are more than a table: machines, spot requests, images, tags."""

from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any

from moto.ec2.models.instances import Reservation

from holdfast_sandbox.aws.ec2 import listing, quotas
from holdfast_sandbox.aws.ec2.ask import Ask
from holdfast_sandbox.aws.ec2.backend import Backend
from holdfast_sandbox.aws.ec2.fields import MACHINE_FILTERS, named
from holdfast_sandbox.aws.ec2.instances import Machine
from holdfast_sandbox.aws.ec2.listing import Listing
from holdfast_sandbox.aws.faults import Facts, Kind

SPOT_STATES = {"pending": "active", "running": "active"}


def _living_records(backend: Backend) -> Iterable[Machine]:
    """The machines still listed: a terminated one is forgotten after about an hour (H27)."""
    now, kept = backend.world.now(), backend.world.settings.terminated_kept
    for name, reservation in list(backend.reservations.items()):
        for machine in list(reservation.instances):
            died = backend.world.state.deaths.get(machine.id)
            if died is not None and now - died > kept:
                reservation.instances.remove(machine)
                backend.world.state.homes.pop(machine.id, None)
                backend.tags.pop(machine.id, None)
        if not reservation.instances:
            del backend.reservations[name]
    return list(backend.machines())


MACHINES = Listing(
    "Reservations",
    _living_records,
    MACHINE_FILTERS,
    ids="InstanceIds",
    missing="InvalidInstanceID.NotFound",
)
_STATUS = Listing(
    "InstanceStatuses",
    _living_records,
    {
        **named(
            availability_zone="availability_zone",
            instance_state_name="state",
            instance_state_code="state_code",
        ),
        "instance-status.status": lambda machine: machine.instance_status["Status"],
        "system-status.status": lambda machine: machine.system_status["Status"],
    },
    ids="InstanceIds",
    missing="InvalidInstanceID.NotFound",
)


def instances(ask: Ask) -> dict[str, Any]:
    """DescribeInstances: filtered machines in their reservations."""
    found = listing.describe(ask, MACHINES)
    homes = {
        machine.id: reservation
        for reservation in ask.backend.reservations.values()
        for machine in reservation.instances
    }
    groups: dict[str, Reservation] = {}
    for machine in found["Reservations"]:
        home = homes.get(machine.id)
        name = home.id if home else f"r-{machine.id[2:]}"
        if name not in groups:
            groups[name] = Reservation(name, machine.owner_id)
        groups[name].instances.append(machine)
    return {**found, "Reservations": list(groups.values())}


def instance_status(ask: Ask) -> dict[str, Any]:
    """DescribeInstanceStatus: running ones, unless all are asked for."""
    found = listing.describe(ask, _STATUS)
    if not ask.params.get("IncludeAllInstances"):
        running = [m for m in found["InstanceStatuses"] if m.state == "running"]
        found["InstanceStatuses"] = running
    return found


def _spot_requests(backend: Backend) -> list[Any]:
    return [
        SimpleNamespace(
            id=machine.spot_instance_request_id,
            instance_id=machine.id,
            state=_spot_state(backend, machine),
            machine=machine,
        )
        for machine in _living_records(backend)
        if machine.spot_instance_request_id
    ]


def _spot_state(backend: Backend, machine: Machine) -> str:
    if machine.spot_instance_request_id in backend.world.state.cancelled:
        return "cancelled"
    return SPOT_STATES.get(machine.state, "closed")


_SPOT = Listing(
    "SpotInstanceRequests",
    _spot_requests,
    named(spot_instance_request_id="id", instance_id="instance_id", state="state"),
    ids="SpotInstanceRequestIds",
    missing="InvalidSpotInstanceRequestID.NotFound",
)


def spot_requests(ask: Ask) -> dict[str, Any]:
    """DescribeSpotInstanceRequests: what RunInstances with a spot market left behind."""
    found = listing.describe(ask, _SPOT)
    found[_SPOT.result] = [
        {
            "SpotInstanceRequestId": item.id,
            "InstanceId": item.instance_id,
            "State": item.state,
            "Status": {"Code": "fulfilled" if item.state == "active" else "instance-terminated"},
            "Type": "one-time",
            "CreateTime": item.machine.launch_time,
            "InstanceInterruptionBehavior": "terminate",
            "Tags": [
                {"Key": key, "Value": value}
                for key, value in ask.backend.tags.get(item.id, {}).items()
            ],
        }
        for item in found[_SPOT.result]
    ]
    return found


def images(ask: Ask) -> dict[str, Any]:
    """DescribeImages by id, owner and filter; a vanished image is not there."""
    found = listing.describe(ask, _IMAGES)
    owners = {ask.call.account if o == "self" else str(o) for o in ask.items("Owners")}
    if owners:
        found["Images"] = [
            image for image in found["Images"] if {image.owner_id, image.owner_alias} & owners
        ]
    return found


def _present_images(backend: Backend) -> list[Any]:
    def gone(name: str) -> bool:
        facts = Facts(backend.account_id, backend.region_name, subjects=(name,))
        return backend.world.faults.find((Kind.IMAGE_GONE,), facts) is not None

    return [image for image in backend.amis.values() if not gone(image.id)]


_IMAGES = Listing(
    "Images",
    _present_images,
    named(
        image_id="id",
        name="name",
        architecture="architecture",
        state="state",
        owner_id="owner_id",
        owner_alias="owner_alias",
        is_public="is_public",
        root_device_type="root_device_type",
        virtualization_type="virtualization_type",
        description="description",
        hypervisor="hypervisor",
        image_type="image_type",
    ),
    ids="ImageIds",
    missing="InvalidAMIID.NotFound",
)


def _tags(backend: Backend) -> list[Any]:
    return [
        SimpleNamespace(id=f"{tag['resource_id']} {tag['key']}", **tag)
        for tag in (backend.describe_tags())
    ]


_TAGS = Listing(
    "Tags",
    _tags,
    named(resource_id="resource_id", resource_type="resource_type", key="key", value="value"),
    tagged=False,
)
_SNAPSHOTS = Listing(
    "Snapshots",
    lambda backend: [
        snapshot
        for snapshot in backend.snapshots.values()
        if snapshot.owner_id == backend.account_id
    ],
    named(
        snapshot_id="id",
        volume_id="volume.id",
        status="status",
        owner_id="owner_id",
        description="description",
        encrypted="encrypted",
        volume_size="volume_size",
    ),
    ids="SnapshotIds",
    missing="InvalidSnapshot.NotFound",
)


_KEYS = Listing(
    "KeyPairs",
    lambda backend: backend.key_pairs.values(),
    named(key_pair_id="id", key_name="key_name", fingerprint="key_fingerprint"),
    ids="KeyPairIds",
    missing="InvalidKeyPair.NotFound",
    extra={"KeyNames": lambda pair: str(pair.key_name)},
    paged=False,
)


def key_pairs(ask: Ask) -> dict[str, Any]:
    """DescribeKeyPairs, without any key material."""
    found = listing.describe(ask, _KEYS)
    shown = ("key_name", "key_type", "key_fingerprint", "create_time")
    found["KeyPairs"] = [
        {"KeyPairId": pair.id}
        | {name.title().replace("_", ""): getattr(pair, name, None) for name in shown}
        | {"Tags": [{"Key": k, "Value": v} for k, v in ask.backend.tags.get(pair.id, {}).items()]}
        for pair in found["KeyPairs"]
    ]
    return found


def table(one: Listing) -> Callable[[Ask], dict[str, Any]]:
    """The answer of a plain table."""
    return lambda ask: listing.describe(ask, one)


def account_attributes(ask: Ask) -> dict[str, Any]:
    """DescribeAccountAttributes: the old view of the quotas, and the default VPC."""
    place = (ask.call.account, ask.call.region)
    default = next((vpc.id for vpc in ask.backend.vpcs.values() if vpc.is_default), "none")
    values = {
        "supported-platforms": "VPC",
        "default-vpc": default,
        "max-instances": f"{quotas.value(ask.world, quotas.ON_DEMAND, *place):g}",
        "max-elastic-ips": f"{quotas.value(ask.world, quotas.ADDRESSES, *place):g}",
        "vpc-max-elastic-ips": f"{quotas.value(ask.world, quotas.ADDRESSES, *place):g}",
    }
    wanted = ask.items("AttributeNames") or list(values)
    return {
        "AccountAttributes": [
            {"AttributeName": name, "AttributeValues": [{"AttributeValue": values[name]}]}
            for name in wanted
            if name in values
        ]
    }


ANSWERS: Mapping[str, Callable[[Ask], Any]] = {
    "DescribeAccountAttributes": account_attributes,
    "DescribeInstances": instances,
    "DescribeInstanceStatus": instance_status,
    "DescribeSpotInstanceRequests": spot_requests,
    "DescribeImages": images,
    "DescribeKeyPairs": key_pairs,
    "DescribeTags": table(_TAGS),
    "DescribeSnapshots": table(_SNAPSHOTS),
}
