"""RunInstances carried out: moto makes the instances, then the hypervisor is asked to boot them."""

from typing import Any

from moto.core.types import Base64EncodedString
from moto.ec2.utils import convert_tag_spec, random_spot_request_id

from holdfast_sandbox.aws.ec2.ask import Ask
from holdfast_sandbox.aws.ec2.instances import Machine
from holdfast_sandbox.aws.ec2.launch import Launch, plan
from holdfast_sandbox.aws.ec2.vms import vm_of
from holdfast_sandbox.aws.ec2.volumes import attach_planned

Tags = dict[str, dict[str, str]]


def run(ask: Ask) -> Any:
    """Start the machines. The result is the live reservation: a replay shows the present state."""
    launch = plan(ask)
    tags: Tags = convert_tag_spec(ask.items("TagSpecifications"))
    reservation = ask.backend.run_instances(
        launch.image,
        launch.count,
        Base64EncodedString(ask.text("UserData")) if launch.user_data else None,
        [],
        **_for_moto(ask, launch),
    )
    reservation.groups = []
    for machine in reservation.instances:
        assert isinstance(machine, Machine)
        _dress(ask, launch, machine, tags)
        ask.world.state.homes[machine.id] = (ask.call.account, ask.call.region)
        ask.world.hypervisor.launch(vm_of(ask.backend, machine))
    return reservation


def _for_moto(ask: Ask, launch: Launch) -> dict[str, Any]:
    monitored = (ask.params.get("Monitoring") or {}).get("Enabled")
    return {
        "instance_type": ask.text("InstanceType"),
        "is_instance_type_default": False,
        "placement": None,
        "region_name": ask.call.region,
        "subnet_id": launch.subnet.id,
        "key_name": ask.params.get("KeyName"),
        "security_group_ids": list(launch.groups),
        "nics": [],
        "private_ip": launch.address,
        "associate_public_ip": launch.public,
        "ebs_optimized": bool(ask.params.get("EbsOptimized")),
        "disable_api_stop": bool(ask.params.get("DisableApiStop")),
        "disable_api_termination": bool(ask.params.get("DisableApiTermination")),
        "instance_market_options": "spot" if launch.market == "spot" else {},
        "instance_initiated_shutdown_behavior": ask.params.get("InstanceInitiatedShutdownBehavior"),
        "metadata_options": ask.params.get("MetadataOptions") or {},
        "monitoring_state": "enabled" if monitored else "disabled",
        "client_token": ask.text("ClientToken"),
        "block_device_mappings": [],
    }


def _dress(ask: Ask, launch: Launch, machine: Machine, tags: Tags) -> None:
    """What moto leaves out: tags, the link's own fields, volumes, profile, the spot request."""
    nic = machine.nics[0]
    nic.delete_on_termination = bool(launch.nic.get("DeleteOnTermination", True))
    nic.description = str(launch.nic.get("Description", ""))
    nic.add_tags(tags.get("network-interface", {}))
    machine.add_tags(tags.get("instance", {}))
    for volume in attach_planned(ask.backend, machine, launch.volumes):
        volume.add_tags(tags.get("volume", {}))
    profile = ask.params.get("IamInstanceProfile") or {}
    if profile:
        ask.backend.associate_iam_instance_profile(
            instance_id=machine.id,
            iam_instance_profile_name=profile.get("Name"),
            iam_instance_profile_arn=profile.get("Arn"),
        )
    if launch.market == "spot":
        machine.lifecycle = "spot"
        machine.spot_instance_request_id = random_spot_request_id()
        ask.backend.create_tags(
            [machine.spot_instance_request_id], tags.get("spot-instances-request", {})
        )
