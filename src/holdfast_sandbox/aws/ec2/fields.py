"""How filters read the things of EC2: plain attributes, links, machines."""

# ruff: noqa: SLF001 - the fields of moto's models are private to them

from collections.abc import Mapping
from typing import Any

from holdfast_sandbox.aws.ec2.listing import Field


def attribute(name: str) -> Field:
    """The plain attribute `name`, dots walked; None when any step is missing."""
    steps = name.split(".")

    def read(thing: Any) -> Any:
        for step in steps:
            thing = getattr(thing, step, None)
            if thing is None:
                return None
        return thing

    return read


def named(**fields: str) -> dict[str, Field]:
    """Filter names (underscores for dashes) by attribute."""
    return {name.replace("_", "-"): attribute(path) for name, path in fields.items()}


def _groups_of(thing: Any) -> list[Any]:
    return list(thing._group_set)


def _nics(read: Field) -> Field:
    return lambda machine: [read(nic) for nic in machine.nics.values()]


def stamp(name: str) -> Field:
    """A moment as AWS spells it in filters."""

    def read(thing: Any) -> str | None:
        found = getattr(thing, name, None)
        return found.strftime("%Y-%m-%dT%H:%M:%S.000Z") if found is not None else None

    return read


NIC_FILTERS: Mapping[str, Field] = {
    **named(
        network_interface_id="id",
        private_ip_address="private_ip_address",
        subnet_id="subnet.id",
        vpc_id="subnet.vpc_id",
        availability_zone="subnet.availability_zone",
        description="description",
        status="status",
        mac_address="mac_address",
        owner_id="owner_id",
        requester_id="requester_id",
        requester_managed="requester_managed",
        source_dest_check="source_dest_check",
        interface_type="interface_type",
        private_dns_name="private_dns_name",
    ),
    "group-id": lambda nic: [group.id for group in _groups_of(nic)],
    "group-name": lambda nic: [group.name for group in _groups_of(nic)],
    "addresses.private-ip-address": lambda nic: [
        item["PrivateIpAddress"] for item in nic.private_ip_addresses
    ],
    "addresses.primary": lambda nic: [bool(i.get("Primary")) for i in nic.private_ip_addresses],
    "addresses.association.public-ip": attribute("public_ip"),
    "association.public-ip": attribute("public_ip"),
    "association.allocation-id": lambda nic: nic.association.get("allocationId"),
    "association.association-id": lambda nic: nic.association.get("associationId"),
    "attachment.attachment-id": attribute("attachment_id"),
    "attachment.instance-id": attribute("instance.id"),
    "attachment.instance-owner-id": attribute("instance.owner_id"),
    "attachment.device-index": attribute("device_index"),
    "attachment.status": lambda nic: "attached" if nic.attachment_id else None,
    "attachment.delete-on-termination": attribute("delete_on_termination"),
}

MACHINE_FILTERS: Mapping[str, Field] = {
    **named(
        instance_id="id",
        image_id="image_id",
        instance_type="instance_type",
        instance_state_name="state",
        instance_state_code="state_code",
        instance_lifecycle="lifecycle",
        client_token="client_token",
        availability_zone="availability_zone",
        architecture="architecture",
        key_name="key_name",
        private_ip_address="private_ip_address",
        private_dns_name="private_dns_name",
        ip_address="public_ip",
        dns_name="public_dns_name",
        subnet_id="subnet_id",
        vpc_id="vpc_id",
        owner_id="owner_id",
        platform="platform",
        root_device_name="root_device_name",
        root_device_type="root_device_type",
        source_dest_check="source_dest_check",
        spot_instance_request_id="spot_instance_request_id",
        state_reason_code="state_reason.code",
        virtualization_type="virtualization_type",
        hypervisor="hypervisor",
        monitoring_state="monitoring_state",
    ),
    "reservation-id": attribute("reservation_id"),
    "launch-time": stamp("launch_time"),
    "reason": attribute("state_transition_reason"),
    "tenancy": attribute("placement.tenancy"),
    "placement-group-name": attribute("placement.group_name"),
    "iam-instance-profile.arn": lambda m: (
        (m.iam_instance_profile or {}).get("Arn")
        if isinstance(m.iam_instance_profile, dict)
        else getattr(m.iam_instance_profile, "arn", None)
    ),
    "iam-instance-profile.id": attribute("iam_instance_profile.id"),
    "instance.group-id": lambda m: [group.id for group in m.security_groups],
    "instance.group-name": lambda m: [group.name for group in m.security_groups],
    "group-id": lambda m: [group.id for group in m.security_groups],
    "group-name": lambda m: [group.name for group in m.security_groups],
    "block-device-mapping.volume-id": lambda m: [
        block.volume_id for block in m.block_device_mapping.values()
    ],
    "block-device-mapping.device-name": lambda m: list(m.block_device_mapping),
    "block-device-mapping.delete-on-termination": lambda m: [
        bool(block.delete_on_termination) for block in m.block_device_mapping.values()
    ],
    "metadata-options.http-tokens": attribute("metadata_options.http_tokens"),
    "metadata-options.http-put-response-hop-limit": attribute(
        "metadata_options.http_put_response_hop_limit"
    ),
    "metadata-options.http-endpoint": attribute("metadata_options.http_endpoint"),
    **{f"network-interface.{name}": _nics(read) for name, read in NIC_FILTERS.items()},
}
