"""Ending, stopping and starting machines by API call, and their console."""

import base64
from typing import Any

from moto.ec2.models.instances import InstanceState

from holdfast_sandbox.aws.ec2 import dependants
from holdfast_sandbox.aws.ec2.ask import Ask
from holdfast_sandbox.aws.ec2.instances import Machine
from holdfast_sandbox.aws.errors import AwsError, Gap

CONSOLE = 64 * 1024
MODIFIABLE = ("DisableApiTermination", "DisableApiStop", "SourceDestCheck", "Groups", "UserData")


def _machines(ask: Ask) -> list[Machine]:
    names = ask.items("InstanceIds")
    if not names:
        raise AwsError("MissingParameter", "The request must contain the parameter InstanceId")
    return [ask.backend.machine(str(name)) for name in dict.fromkeys(names)]


def _change(machine: Machine, before: InstanceState) -> dict[str, Any]:
    return {
        "InstanceId": machine.id,
        "CurrentState": machine.instance_state,
        "PreviousState": before,
    }


def terminate(ask: Ask) -> dict[str, Any]:
    """TerminateInstances: all or none; ending twice is fine."""
    machines = _machines(ask)
    dependants.check_terminate(ask)
    changes = [_change(machine, machine.terminate()) for machine in machines]
    return {"TerminatingInstances": changes}


def stop(ask: Ask) -> dict[str, Any]:
    """StopInstances."""
    if ask.params.get("Hibernate"):
        raise Gap("UnsupportedHibernationConfiguration", "Hibernation is not emulated.")
    machines = _machines(ask)
    for machine in machines:
        if machine.disable_api_stop:
            text = f"The instance '{machine.id}' may not be stopped."
            raise AwsError("OperationNotPermitted", text)
    return {"StoppingInstances": [_change(machine, machine.stop()) for machine in machines]}


def start(ask: Ask) -> dict[str, Any]:
    """StartInstances."""
    machines = _machines(ask)
    return {"StartingInstances": [_change(machine, machine.start()) for machine in machines]}


def check_reboot(ask: Ask) -> None:
    """RebootInstances: every machine must be there."""
    _machines(ask)


def check_known(ask: Ask) -> None:
    """An attribute call about one machine that must be there."""
    ask.backend.machine(ask.text("InstanceId"))


def check_modify(ask: Ask) -> None:
    """ModifyInstanceAttribute: only what has an effect here."""
    machine = ask.backend.machine(ask.text("InstanceId"))
    asked = set(ask.params) - {"InstanceId", "DryRun"}
    if not asked or not asked <= set(MODIFIABLE):
        raise Gap("UnsupportedOperation", f"Modifying {', '.join(sorted(asked))} is not emulated.")
    if "UserData" in asked and machine.state != "stopped":
        raise AwsError(
            "IncorrectInstanceState", f"The instance '{machine.id}' is not in the 'stopped' state."
        )
    if "SourceDestCheck" in asked and 0 in machine.nics:
        machine.nics[0].source_dest_check = bool(ask.params["SourceDestCheck"].get("Value"))
    if "Groups" in asked:
        _move_groups(ask, machine)


def _move_groups(ask: Ask, machine: Machine) -> None:
    found = [dependants.group_of(ask.backend, str(name)) for name in ask.items("Groups")]
    if any(group.vpc_id != machine.vpc_id for group in found):
        raise AwsError("InvalidGroup.NotFound", "A security group is of another VPC")
    machine.nics[0]._group_set = found  # noqa: SLF001 - moto's own field


def console_output(ask: Ask) -> dict[str, Any]:
    """GetConsoleOutput: the console of the machine behind it, its last 64 KiB."""
    machine = ask.backend.machine(ask.text("InstanceId"))
    raw = ask.world.console(machine.id).encode("utf-8", "replace")[-CONSOLE:]
    return {
        "InstanceId": machine.id,
        "Timestamp": ask.world.stamp(),
        "Output": base64.b64encode(raw).decode(),
    }


def cancel_spot(ask: Ask) -> dict[str, Any]:
    """CancelSpotInstanceRequests: cancels the request, not the machine, as at the cloud."""
    held = {m.spot_instance_request_id: m for m in ask.backend.machines()}
    changes = []
    for name in ask.items("SpotInstanceRequestIds"):
        if name not in held:
            raise AwsError(
                "InvalidSpotInstanceRequestID.NotFound",
                f"The spot instance request ID '{name}' does not exist",
            )
        ask.world.state.cancelled.add(str(name))
        changes.append({"SpotInstanceRequestId": name, "State": "cancelled"})
    return {"CancelledSpotInstanceRequests": changes}
