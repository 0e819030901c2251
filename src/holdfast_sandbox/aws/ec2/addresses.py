"""Elastic addresses: from the sandbox's pool, bound to one link, released only when free."""

from typing import Any

from moto.ec2.models.elastic_ip_addresses import ElasticAddress
from moto.ec2.models.elastic_network_interfaces import NetworkInterface

from holdfast_sandbox.aws.ec2 import quotas
from holdfast_sandbox.aws.ec2.ask import Ask
from holdfast_sandbox.aws.ec2.tags import of_kind
from holdfast_sandbox.aws.errors import AwsError, Gap


def allocate(ask: Ask) -> dict[str, Any]:
    """AllocateAddress. There is no client token for it: each call makes one more."""
    if ask.text("Address") or ask.text("PublicIpv4Pool"):
        raise Gap("UnsupportedOperation", "Addresses of one's own choice are not emulated.")
    quotas.check_addresses(ask)
    held = ask.backend.allocate_address(
        "vpc", address=ask.backend.take_public(), tags=of_kind(ask.params, "elastic-ip")
    )
    return {
        "PublicIp": held.public_ip,
        "AllocationId": held.allocation_id,
        "Domain": "vpc",
        "PublicIpv4Pool": "amazon",
        "NetworkBorderGroup": ask.call.region,
    }


def _by_id(ask: Ask) -> ElasticAddress:
    name, number = ask.text("AllocationId"), ask.text("PublicIp")
    for held in ask.backend.addresses:
        if name in ("", held.allocation_id) and number in ("", held.public_ip):
            return held
    if name:
        raise AwsError("InvalidAllocationID.NotFound", f"The allocation ID '{name}' does not exist")
    raise AwsError("InvalidAddress.NotFound", f"Address '{number}' not found.")


def _require_target(ask: Ask, *names: str) -> None:
    if not any(ask.text(name) for name in names):
        raise AwsError("MissingParameter", f"The request must contain one of: {', '.join(names)}")


def associate(ask: Ask) -> dict[str, Any]:
    """AssociateAddress: idempotent; moves the address unless AllowReassociation is false."""
    _require_target(ask, "AllocationId", "PublicIp")
    _require_target(ask, "InstanceId", "NetworkInterfaceId")
    held, nic = _by_id(ask), _target(ask)
    if held.eni is nic and held.association_id:
        return {"AssociationId": held.association_id}
    if held.eni is not None and ask.params.get("AllowReassociation") is False:
        raise AwsError(
            "Resource.AlreadyAssociated",
            f"resource {held.allocation_id} is already associated with another resource",
        )
    subnet_vpc = nic.subnet.vpc_id
    gateways = ask.backend.internet_gateways.values()
    if not any(gateway.vpc and gateway.vpc.id == subnet_vpc for gateway in gateways):
        raise AwsError(
            "Gateway.NotAttached", f"Network {subnet_vpc} is not attached to any internet gateway"
        )
    ask.backend.bind(held, nic)
    return {"AssociationId": held.association_id}


def _target(ask: Ask) -> NetworkInterface:
    if ask.text("NetworkInterfaceId"):
        return ask.backend.get_network_interface(ask.text("NetworkInterfaceId"))
    machine = ask.backend.machine(ask.text("InstanceId"))
    if machine.state not in ("pending", "running", "stopping", "stopped"):
        raise AwsError(
            "InvalidInstanceID", f"The pending-instance-id '{machine.id}' is in an invalid state"
        )
    return machine.nics[0]


def disassociate(ask: Ask) -> dict[str, Any]:
    """DisassociateAddress: by association, or by public address."""
    _require_target(ask, "AssociationId", "PublicIp")
    name = ask.text("AssociationId")
    for held in ask.backend.addresses:
        if name and held.association_id == name:
            ask.backend.unbind(held)
            return {}
    if name:
        raise AwsError(
            "InvalidAssociationID.NotFound", f"The association ID '{name}' does not exist"
        )
    ask.backend.unbind(_by_id(ask))
    return {}


def release(ask: Ask) -> dict[str, Any]:
    """ReleaseAddress: only a free one (H15)."""
    _require_target(ask, "AllocationId", "PublicIp")
    held = _by_id(ask)
    if held.association_id:
        raise AwsError(
            "InvalidIPAddress.InUse",
            f"Address with allocation id [{held.allocation_id}] cannot be released because it is "
            "locked to your account or in use",
        )
    ask.backend.addresses.remove(held)
    ask.backend.tags.pop(str(held.allocation_id), None)
    ask.world.state.pool.give_back(held.public_ip)
    return {}
