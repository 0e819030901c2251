"""What a call-back changes, decided without I/O: facts of the machine, events, and who is woken.

Facts are written once, when they are first told; a second telling changes nothing. Messages follow
v1's style: source in brackets, a sentence, key=value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from holdfast.model.event import NewEvent, Severity
from holdfast.model.machine import Machine
from holdfast.model.resource import Role
from holdfast.model.wake import Why
from holdfast.planner import control_plane
from holdfast.store.orders import Order
from holdfast.wire import callback
from holdfast.wire.callback import CallBack

API_PORT = 6443
SHOWN_LOG = 600  # characters of a failed step's output that its event shows
ENDING = {"terminate", "stop", "hibernate"}
OBSERVE_ONLY = "the platform only observes until it is released"
RETRY_SECONDS = 1.0  # between two questions whether a machine may join; each costs a signature

# What a person follows; the other steps are in the machine's own journal.
SHOWN_STEPS = {"prepare", "kubeadm-init", "kubeadm-join", "network", "kube-proxy", "coredns"}


@dataclass(frozen=True, slots=True)
class Effect:
    """`machine` is None when none of its facts changed; `why` is None when nobody is woken."""

    machine: Machine | None = None
    events: tuple[NewEvent, ...] = ()
    why: Why | None = None


def registered(machine: Machine, now: datetime) -> Effect:
    """First contact was accepted."""
    event = _event(machine, "MachineRegistered", "machine proved its identity")
    return Effect(replace(machine, registered_at=machine.registered_at or now), (event,), Why.USER)


def refused(machine: Machine, reason: str, source: str) -> NewEvent:
    """A call-back in this machine's name was refused."""
    message = f"[Cluster] call-back refused: {reason} name={machine.name} source={source}"
    return NewEvent("CallBackRefused", message, machine.name, Severity.ERROR)


def joining(machine: Machine, now: datetime) -> Effect:
    """It was told what to become; told again after a failure it is the same fact."""
    if machine.joining_at is not None:
        return Effect()
    event = _event(machine, "MachineJoining", f"machine joins as {machine.role.value}")
    return Effect(replace(machine, joining_at=now), (event,))  # no pass could do anything about it


def of(said: CallBack, machine: Machine, machines: Sequence[Machine], now: datetime) -> Effect:
    """The effect of every other kind but `order-done`, whose order only the store knows."""
    match said:
        case callback.Step():
            return _step(said, machine)
        case callback.Joined():
            return _joined(said, machine, machines, now)
        case callback.Failed():
            return Effect(None, (_failed(said, machine),), Why.USER)
        case callback.SpotNotice():
            return _notice(said, machine, now)
        case _:
            return Effect()


def order_done(kind: str, said: callback.OrderDone, machine: Machine) -> Effect:
    """An order of this machine was reported on for the first time."""
    severity = Severity.INFO if said.ok else Severity.ERROR
    outcome = "done" if said.ok else "failed"
    message = f"order {kind} {outcome}: {said.message}"
    event = _event(machine, "OrderDone" if said.ok else "OrderFailed", message, severity)
    return Effect(None, (event,), Why.USER)


def removed_member(
    order: Order, said: callback.OrderDone, machines: Sequence[Machine], now: datetime
) -> Machine | None:
    """The lost control plane whose etcd member an order took out; its replacement may join now."""
    lost = order.arguments.get("machineId") if said.ok else None
    found = next((m for m in machines if m.id == lost), None)
    return None if found is None else replace(found, member_removed_at=now)


def backends(machines: Sequence[Machine]) -> list[str]:
    """The API servers that a node may use: joined control planes whose etcd member stays."""
    living = (
        m
        for m in machines
        if m.role is Role.CONTROL_PLANE
        and m.is_wanted
        and m.drained_at is None
        and m.joined_at
        and m.private_ip
    )
    return [f"{m.private_ip}:{API_PORT}" for m in living]


def wait(reason: str) -> Mapping[str, Any]:
    """The answer to a machine that may not join yet."""
    return {"join": False, "wait": reason, "retryAfterSeconds": RETRY_SECONDS}


def waits_for(
    machine: Machine, machines: Sequence[Machine], endpoint: str | None, *, is_deleting: bool
) -> str | None:
    """Why a machine must wait before it may join; None when it may."""
    if is_deleting:
        return "the cluster is being deleted"
    if machine.joined_at is not None:
        return "this machine has joined already"
    if machine.private_ip is None or machine.provider_id is None:
        return "the cloud has not shown this machine's address yet"
    return control_plane.may_join(machine, machines, endpoint)


def _step(said: callback.Step, machine: Machine) -> Effect:
    if said.name not in SHOWN_STEPS:
        return Effect()
    message = f"{said.name} done seconds={said.seconds:.1f}"
    return Effect(None, (_event(machine, "MachineStep", message),))


def _joined(
    said: callback.Joined, machine: Machine, machines: Sequence[Machine], now: datetime
) -> Effect:
    if machine.joined_at is not None:
        return Effect()
    word = "initialized" if control_plane.initialises(machines) else "joined"
    message = f'received "{word}" event from node={machine.request} seconds={said.seconds:.1f}'
    event = _event(machine, "MachineJoined", message)
    return Effect(replace(machine, joined_at=now), (event,), Why.USER)


def _failed(said: callback.Failed, machine: Machine) -> NewEvent:
    message = f"{said.step} failed: {said.message}"
    tail = " ".join(said.log[-SHOWN_LOG:].split())
    return _event(
        machine, "MachineStepFailed", f"{message}: {tail}" if tail else message, Severity.ERROR
    )


def _notice(said: callback.SpotNotice, machine: Machine, now: datetime) -> Effect:
    message = f"the cloud announces action={said.action} time={said.time}"
    if said.action not in ENDING:
        return Effect(None, (_event(machine, "MachineAtRisk", message),))
    if machine.interrupted_at is not None:
        return Effect()
    event = _event(machine, "MachineInterrupted", message)
    return Effect(replace(machine, interrupted_at=now), (event,), Why.SPOT)


def _event(
    machine: Machine, reason: str, sentence: str, severity: Severity = Severity.INFO
) -> NewEvent:
    source = machine.offering.cloud.value.upper()
    return NewEvent(reason, f"[{source}] {sentence} name={machine.name}", machine.name, severity)
