"""A machine of the API as the value that the hypervisor and the metadata service work with."""

import base64
from datetime import UTC
from ipaddress import IPv4Address, IPv4Network

from holdfast_sandbox.aws import catalogue
from holdfast_sandbox.aws.ec2.backend import Backend
from holdfast_sandbox.aws.ec2.instances import Machine
from holdfast_sandbox.aws.hypervisor import Vm


def vm_of(backend: Backend, machine: Machine) -> Vm:
    """The value for a machine that still has its link. Raises KeyError for one that is gone."""
    nic = machine.nics[0]
    size = catalogue.types()[machine.instance_type]
    options = machine.metadata_options
    return Vm(
        id=machine.id,
        account=backend.account_id,
        region=backend.region_name,
        zone=str(machine.availability_zone),
        vpc=nic.subnet.vpc_id,
        subnet=nic.subnet.id,
        cidr=IPv4Network(nic.subnet.cidr_block, strict=False),
        private_address=IPv4Address(nic.private_ip_address or "0.0.0.0"),
        public_address=IPv4Address(nic.public_ip) if nic.public_ip else None,
        mac=nic.mac_address,
        hostname=machine.private_dns_name.partition(".")[0],
        instance_type=machine.instance_type,
        architecture=size.architecture,
        cpus=size.cpus,
        memory_mib=size.memory_mib,
        image=machine.image_id,
        user_data=base64.b64decode(str(machine.user_data)) if machine.user_data else b"",
        spot=machine.lifecycle == "spot",
        launched=machine.launch_time.replace(tzinfo=UTC),
        state=machine.state,
        hop_limit=options.http_put_response_hop_limit,
        tokens_required=options.http_tokens == "required",
        tags=dict(backend.tags.get(machine.id, {})),
    )
