"""One account in one region: moto's EC2 backend whose things really depend on each other."""

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network
from typing import Any, ClassVar

import moto.ec2.models.elastic_network_interfaces as nics
import moto.ec2.models.instances as machines
from moto.ec2.models import EC2Backend, ec2_backends, subnets
from moto.ec2.models.elastic_ip_addresses import ElasticAddress
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.subnets import Subnet
from moto.ec2.utils import random_eip_association_id

from holdfast_sandbox.aws.ec2 import images
from holdfast_sandbox.aws.ec2.instances import Machine
from holdfast_sandbox.aws.errors import AwsError
from holdfast_sandbox.aws.faults import Facts, Kind
from holdfast_sandbox.aws.world import Notice, World

RESERVED = 4  # the first four addresses of a subnet, and its last, belong to the cloud


class Link(NetworkInterface):
    """A network interface whose automatic public address comes from the sandbox's pool."""

    ec2_backend: "Backend"

    @property
    def network_interface_id(self) -> str:
        """Its id, by the name under which DescribeInstances shows it."""
        return str(self.id)

    def check_auto_public_ip(self) -> None:
        """Take an automatic public address if the subnet or the caller asked for one."""
        if str(self.public_ip_auto_assign).lower() == "true" and not self.public_ip:
            self.public_ip = self.ec2_backend.take_public()

    def stop(self) -> None:
        """Free the automatic public address; a reserved one stays bound."""
        if self.public_ip and self.ec2_backend.reserved(self.public_ip) is None:
            self.ec2_backend.world.state.pool.give_back(self.public_ip)
            self.public_ip = None

    @property
    def association(self) -> dict[str, Any]:
        """The public address of the link, named as the region names it."""
        found = super().association
        if found and self.public_ip:
            dashed = self.public_ip.replace(".", "-")
            place = self.ec2_backend.region_name
            domain = "compute-1" if place == "us-east-1" else f"{place}.compute"
            found["publicDnsName"] = f"ec2-{dashed}.{domain}.amazonaws.com"
            if "allocationId" not in found:
                found["ipOwnerId"] = "amazon"
        return found


class Segment(Subnet):
    """A subnet that knows all its used addresses, also those of interfaces without a machine."""

    ec2_backend: "Backend"
    cursor: int = RESERVED - 1

    def taken(self) -> set[str]:
        """Every private address in use here."""
        return {
            str(item["PrivateIpAddress"])
            for nic in self.ec2_backend.enis.values()
            if nic.subnet.id == self.id
            for item in nic.private_ip_addresses
        }

    def free_address(self) -> str:
        """The next free address; a freed one comes up again only after the others."""
        network, taken = IPv4Network(self.cidr_block, strict=False), self.taken()
        usable = network.num_addresses - RESERVED - 1
        for _ in range(usable):
            self.cursor = self.cursor + 1 if self.cursor + 2 < network.num_addresses else RESERVED
            address = str(network.network_address + self.cursor)
            if address not in taken:
                return address
        raise AwsError(
            "InsufficientFreeAddressesInSubnet",
            f"There are not enough free addresses in subnet '{self.id}' to satisfy the request.",
        )

    def check_address(self, address: str) -> None:
        """Refuse an address that is not usable here."""
        network = IPv4Network(self.cidr_block, strict=False)
        try:
            index = int(IPv4Address(address)) - int(network.network_address)
        except ValueError as error:
            raise AwsError("InvalidParameterValue", f"Invalid IPv4 address: {address}") from error
        if not RESERVED <= index < network.num_addresses - 1:
            raise AwsError(
                "InvalidParameterValue", f"Address {address} does not fall within {network}"
            )
        if address in self.taken():
            raise AwsError("InvalidIPAddress.InUse", f"Address {address} is in use.")

    def get_available_subnet_ip(self, instance: Any) -> str:  # noqa: ARG002 - moto's signature
        """As `free_address`."""
        return self.free_address()

    def request_ip(self, ip: str, instance: Any) -> None:  # noqa: ARG002 - moto's signature
        """As `check_address`."""
        self.check_address(ip)

    def del_subnet_ip(self, ip: str) -> None:
        """Nothing to do: used addresses are read from the interfaces."""


class Backend(EC2Backend):
    """The strict backend. `world` is set when an Emulator is made; moto keeps one per process."""

    world: ClassVar[World]

    def _load_amis(self) -> None:
        images.seed(self)

    def take_public(self) -> str:
        """A free public address of the sandbox."""
        try:
            return self.world.state.pool.take()
        except LookupError as error:
            raise AwsError("InsufficientAddressCapacity", str(error), 500) from error

    def reserved(self, address: str) -> ElasticAddress | None:
        """The elastic address with this number, None if it is none."""
        return next((held for held in self.addresses if held.public_ip == address), None)

    def create_network_interface(
        self, subnet: Any, private_ip_address: Any, *args: Any, **kwargs: Any
    ) -> Link:
        """As moto, with an address that is really free."""
        segment: Any = self.get_subnet(subnet) if isinstance(subnet, str) else subnet
        address = private_ip_address or None
        if not address and not kwargs.get("private_ip_addresses"):
            address = segment.free_address()
        nic = super().create_network_interface(segment, str(address), *args, **kwargs)
        assert isinstance(nic, Link)
        return nic

    def release_nic(self, nic: NetworkInterface, *, delete: bool) -> None:
        """Take an interface off its machine; delete it if it was made for that machine alone."""
        held = self.reserved(nic.public_ip) if nic.public_ip else None
        if held is not None:
            self.unbind(held)
        nic.stop()
        nic.instance, nic.attachment_id, nic.attach_time = None, None, None
        nic.status, nic.device_index = "available", None
        if delete:
            self.enis.pop(nic.id, None)
            self.tags.pop(nic.id, None)

    def unbind(self, held: ElasticAddress) -> None:
        """Take an elastic address off whatever holds it."""
        nic = held.eni
        held.eni, held.instance, held.association_id = None, None, None
        if nic is not None:
            nic.public_ip = None
            if nic.instance is not None and nic.instance.state == "running":
                nic.check_auto_public_ip()

    def bind(self, held: ElasticAddress, nic: NetworkInterface) -> None:
        """Move an elastic address to a link; what the link had before is freed."""
        self.unbind(held)
        older = self.reserved(nic.public_ip) if nic.public_ip else None
        if older is not None:
            older.eni, older.instance, older.association_id = None, None, None
        elif nic.public_ip:
            self.world.state.pool.give_back(nic.public_ip)
        nic.public_ip = held.public_ip
        held.eni = nic  # type: ignore[assignment]
        held.instance = nic.instance  # type: ignore[assignment]
        held.association_id = random_eip_association_id()

    def machines(self) -> Iterator[Machine]:
        """Every instance still listed, oldest first."""
        for reservation in self.reservations.values():
            for instance in reservation.instances:
                assert isinstance(instance, Machine)
                yield instance

    def machine(self, vm_id: str) -> Machine:
        """One instance. Raises AwsError InvalidInstanceID.NotFound."""
        for machine in self.machines():
            if machine.id == vm_id:
                return machine
        raise AwsError("InvalidInstanceID.NotFound", f"The instance ID '{vm_id}' does not exist")

    def health(self, machine: Machine) -> tuple[str, str]:
        """(status, detail) of the checks of a running machine."""
        facts = Facts(self.account_id, self.region_name, subjects=(machine.id,))
        if self.world.faults.find((Kind.IMPAIRED,), facts):
            return "impaired", "failed"
        young = timedelta(0)
        if machine.running_since is not None:
            young = self.world.now() - machine.running_since
        if young < self.world.settings.status_delay:
            return "initializing", "initializing"
        return "ok", "passed"

    def announce(self, machine: Machine, state: str) -> None:
        """Tell the event bus of a machine's new state."""
        self.put_event(
            "EC2 Instance State-change Notification",
            machine.id,
            {"instance-id": machine.id, "state": state},
        )

    def put_event(self, kind: str, vm_id: str, detail: dict[str, Any]) -> None:
        """Publish an EC2 event about one machine."""
        self.world.publish(Notice(self.account_id, self.region_name, kind, vm_id, detail))


def install(world: World) -> None:
    """Make every EC2 backend of this process a strict one that serves `world`."""
    Backend.world = world
    ec2_backends.backend = Backend
    machines.Instance = Machine  # type: ignore[misc]
    nics.NetworkInterface = Link  # type: ignore[misc]
    subnets.Subnet = Segment  # type: ignore[misc]


def backend_of(account: str, region: str) -> Backend:
    """The backend of one account in one region, made when it is first asked for."""
    found = ec2_backends[account][region]
    assert isinstance(found, Backend)
    return found


def backends() -> Iterator[Backend]:
    """Every backend that was ever asked for."""
    for _, _, found in list(ec2_backends.iter_backends()):
        assert isinstance(found, Backend)
        yield found
