"""What happens by itself or by word from the machines: timers, notices, re-asking after restart."""

from collections.abc import Callable, Mapping
from datetime import datetime

from holdfast_sandbox.aws.answers import balancers
from holdfast_sandbox.aws.ec2 import nats
from holdfast_sandbox.aws.ec2.backend import Backend, backend_of, backends
from holdfast_sandbox.aws.ec2.instances import Machine
from holdfast_sandbox.aws.ec2.vms import vm_of
from holdfast_sandbox.aws.hypervisor import Vm
from holdfast_sandbox.aws.world import World

SPOT = ("Server.SpotInstanceTermination", "Server.SpotInstanceTermination: Spot interruption")


def take_spot(backend: Backend, vm_id: str) -> None:
    """The notice has run out: the machine is taken."""
    backend.machine(vm_id).end(SPOT)


BY_NAME: Mapping[str, Callable[[Backend, str], None]] = {
    "nat-available": nats.became_available,
    "nat-deleted": nats.became_deleted,
    "nat-forgotten": nats.forgotten,
    "spot-taken": take_spot,
    "balancer-active": balancers.became_active,
    "balancer-link-gone": balancers.link_gone,
}


def run_due(world: World) -> bool:
    """Let everything happen whose time has come, in order of time; whether anything did."""
    now = world.now()
    due = sorted((t for t in world.state.timers if t.due <= now), key=lambda t: t.due)
    if not due:
        return False
    world.state.timers = [timer for timer in world.state.timers if timer.due > now]
    for timer in due:
        BY_NAME[timer.what](backend_of(timer.account, timer.region), timer.id)
    return True


def find(world: World, vm_id: str) -> Machine | None:
    """A machine by id, in whatever account and region; None when it is forgotten."""
    home = world.state.homes.get(vm_id)
    if home is None:
        return None
    found = (m for m in backend_of(*home).machines() if m.id == vm_id)
    return next(found, None)


def notice_spot(world: World, vm_id: str) -> datetime:
    """Announce an interruption: metadata, event, and the end when the notice has run out."""
    machine = find(world, vm_id)
    if machine is None or machine.lifecycle != "spot":
        raise KeyError(f"{vm_id} is not a spot machine")
    if vm_id in world.state.notices:
        return world.state.notices[vm_id]
    deadline = world.now() + world.settings.spot_notice
    world.state.notices[vm_id] = deadline
    world.after(world.settings.spot_notice, world.state.homes[vm_id], "spot-taken", vm_id)
    backend = backend_of(*world.state.homes[vm_id])
    action = {"instance-id": vm_id, "instance-action": "terminate"}
    backend.put_event("EC2 Instance Rebalance Recommendation", vm_id, {"instance-id": vm_id})
    backend.put_event("EC2 Spot Instance Interruption Warning", vm_id, action)
    return deadline


def vms() -> list[Vm]:
    """Every machine that still has its link."""
    return [
        vm_of(backend, machine)
        for backend in backends()
        for machine in backend.machines()
        if 0 in machine.nics
    ]


def ask_again(world: World) -> None:
    """After a restart: the hypervisor hears again what it had not answered."""
    for backend in backends():
        for machine in backend.machines():
            if machine.state == "pending":
                world.hypervisor.launch(vm_of(backend, machine))
            elif machine.state == "shutting-down":
                world.hypervisor.terminate(machine.id)
            elif machine.state == "stopping":
                world.hypervisor.stop(machine.id)
