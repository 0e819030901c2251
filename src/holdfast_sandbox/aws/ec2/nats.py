"""NAT gateways: pending first, an address of their subnet, and nothing left after delete (H18)."""

# ruff: noqa: SLF001 - the interface of moto's gateway is private to it

from typing import Any

from moto.ec2.models.nat_gateways import NatGateway

from holdfast_sandbox.aws.ec2 import quotas
from holdfast_sandbox.aws.ec2.ask import Ask
from holdfast_sandbox.aws.ec2.backend import Backend, Segment
from holdfast_sandbox.aws.ec2.tags import of_kind
from holdfast_sandbox.aws.errors import AwsError, Gap


def create(ask: Ask) -> dict[str, Any]:
    """CreateNatGateway, public ones only."""
    if ask.text("ConnectivityType") == "private":
        raise Gap("UnsupportedOperation", "Private NAT gateways are not emulated.")
    subnet = ask.backend.get_subnet(ask.text("SubnetId"))
    assert isinstance(subnet, Segment)
    quotas.check_nats(ask, subnet.availability_zone)
    name = ask.text("AllocationId")
    held = next((a for a in ask.backend.addresses if a.allocation_id == name), None)
    if held is None:
        raise AwsError("InvalidAllocationID.NotFound", f"The allocation ID '{name}' does not exist")
    if held.association_id:
        raise AwsError("Resource.AlreadyAssociated", f"resource {name} is already associated")
    gateway = ask.backend.create_nat_gateway(
        subnet.id, name, tags=of_kind(ask.params, "natgateway")
    )
    gateway.state = "pending"
    gateway._created_at = ask.world.stamp()
    _settle_link(gateway, subnet)
    place = (ask.call.account, ask.call.region)
    ask.world.after(ask.world.settings.nat_delay, place, "nat-available", gateway.id)
    return {"NatGateway": gateway, "ClientToken": ask.params.get("ClientToken")}


def _settle_link(gateway: NatGateway, subnet: Segment) -> None:
    """moto gives the link any private address and no owner."""
    nic = gateway._eni
    nic.private_ip_addresses = []
    address = subnet.free_address()
    nic.private_ip_address = gateway.private_ip = address
    nic.private_ip_addresses = [{"Primary": True, "PrivateIpAddress": address}]
    gateway.address_set[0]["privateIp"] = address
    nic.status, nic.interface_type = "in-use", "nat_gateway"
    nic.requester_managed, nic.requester_id = True, "amazon-aws"
    nic.description = f"Interface for NAT Gateway {gateway.id}"


def delete(ask: Ask) -> dict[str, Any]:
    """DeleteNatGateway: deleting at once, gone a little later."""
    name = ask.text("NatGatewayId")
    gateway = ask.backend.nat_gateways.get(name)
    if gateway is None or gateway.state == "deleted":
        raise AwsError("NatGatewayNotFound", f"The Nat Gateway {name} was not found")
    if gateway.state != "deleting":
        gateway.state = "deleting"
        place = (ask.call.account, ask.call.region)
        ask.world.after(ask.world.settings.nat_delay, place, "nat-deleted", name)
    return {"NatGatewayId": name}


def became_available(backend: Backend, name: str) -> None:
    """The transition after creation."""
    gateway = backend.nat_gateways.get(name)
    if gateway is not None and gateway.state == "pending":
        gateway.state = "available"


def became_deleted(backend: Backend, name: str) -> None:
    """The transition after delete: interface and association go, the record stays an hour."""
    gateway = backend.nat_gateways.get(name)
    if gateway is None or gateway.state != "deleting":
        return
    gateway.state = "deleted"
    backend.release_nic(gateway._eni, delete=True)
    place = (backend.account_id, backend.region_name)
    backend.world.after(backend.world.settings.terminated_kept, place, "nat-forgotten", name)


def forgotten(backend: Backend, name: str) -> None:
    """The transition that ends the record."""
    backend.nat_gateways.pop(name, None)
    backend.tags.pop(name, None)
