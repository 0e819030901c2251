"""The machine behind a source address, as the metadata service shows it."""

from ipaddress import IPv4Address

from holdfast_sandbox.aws import transitions
from holdfast_sandbox.aws.emulator import Emulator
from holdfast_sandbox.aws.hypervisor import Vm
from holdfast_sandbox.metadata.guest import FindGuest, Guest

HOME = "us-east-1"  # the one region whose host names do not carry its name


def find_guest(cloud: Emulator) -> FindGuest:
    """Look machines up in the cloud as of the moment of each request."""

    def find(network: str, source: IPv4Address) -> Guest | None:
        with cloud.lock:
            vm = cloud.vm_by_address(network, str(source))
            return None if vm is None else guest_of(cloud, vm)

    return find


def guest_of(cloud: Emulator, vm: Vm) -> Guest:
    """What the metadata service tells of a VM. Call it under the cloud's lock."""
    machine = transitions.find(cloud.world, vm.id)
    options = machine.metadata_options if machine else None
    notice = cloud.spot_deadline(vm.id)
    domain = "ec2.internal" if vm.region == HOME else f"{vm.region}.compute.internal"
    return Guest(
        id=vm.id,
        address=vm.private_address,
        mac=vm.mac,
        account=vm.account,
        region=vm.region,
        zone=vm.zone,
        image=vm.image,
        type=vm.instance_type,
        hostname=f"{vm.hostname}.{domain}",
        document=cloud.identity_document(vm),
        public_address=vm.public_address,
        spot=vm.spot,
        groups=tuple(group.name for group in machine.nics[0].group_set) if machine else (),
        user_data=vm.user_data or None,
        endpoint_enabled=options is None or options.http_endpoint != "disabled",
        tokens_required=vm.tokens_required,
        hop_limit=vm.hop_limit,
        tags=vm.tags if options and options.instance_metadata_tags == "enabled" else None,
        interruption=notice,
        rebalance=notice,
    )
