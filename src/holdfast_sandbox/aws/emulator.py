"""The emulator as the sandbox's process holds it: the wire on one side, machines on the other."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from holdfast_sandbox.aws import (
    accounts,
    embedding,
    events,
    identity,
    pictures,
    snapshot,
    transitions,
    truth,
)
from holdfast_sandbox.aws.accounts import Keys
from holdfast_sandbox.aws.call import Call
from holdfast_sandbox.aws.ec2.backend import backend_of
from holdfast_sandbox.aws.faults import FaultTable
from holdfast_sandbox.aws.front import Front
from holdfast_sandbox.aws.hypervisor import Hypervisor, Vm
from holdfast_sandbox.aws.record import CallRecord
from holdfast_sandbox.aws.server import Server
from holdfast_sandbox.aws.services import Services
from holdfast_sandbox.aws.settings import EmulatorSettings
from holdfast_sandbox.aws.state import PublicPool, State
from holdfast_sandbox.aws.world import World
from holdfast_sandbox.ports import NetworkPicture


def nothing() -> None:
    """Nobody wants to know of changes."""


class Emulator:
    """One emulated AWS. moto is process-wide, so a new Emulator empties an older one.

    Every method may be called from any thread; all of them, and every request, run under `lock`.
    `changed` is called, without the lock, after everything that may have changed a picture.
    """

    def __init__(
        self,
        settings: EmulatorSettings,
        hypervisor: Hypervisor,
        clock: Callable[[], datetime],
        seed: int,
        changed: Callable[[], None] = nothing,
    ) -> None:
        state = State(PublicPool(settings.public_pool))
        self.world = World(settings, hypervisor, clock, seed, state, publish=events.publish)
        self._services = Services()
        self._changed = changed
        self.wsgi = Front(self.world, self._services.answer, self._tags_of, self._tick, self._tell)
        self.lock = self.wsgi.lock
        embedding.embed(self.world)

    def _tell(self) -> None:
        self._changed()

    def _tick(self) -> bool:
        return transitions.run_due(self.world)

    def tick(self) -> None:
        """Let time pass: timers that are due run. Call it every second or so between requests."""
        with self.lock:
            moved = self._tick()
        if moved:
            self._tell()

    @staticmethod
    def _tags_of(call: Call, thing: str) -> Mapping[str, str]:
        return backend_of(call.account, call.region).tags.get(thing, {})

    # Serving

    def serve(self, port: int = 0) -> Server:
        """Serve on 127.0.0.1; port 0 takes a free one. Raises OSError if the port is taken."""
        return Server(self.wsgi, port)

    def console_from(self, source: Callable[[str], str]) -> None:
        """Take consoles from `source`: VM id -> text."""
        self.world.console = source

    def health_from(self, source: Callable[[str, int], bool]) -> None:
        """Take the health of balancer targets from `source`: (VM id or address, port) -> up."""
        self.world.answers = source

    # What the machines tell

    def booted(self, vm_id: str) -> None:
        """A launched or started machine is up: it shows as running."""
        self._move(vm_id, lambda machine: machine.run())

    def boot_failed(self, vm_id: str, reason: str) -> None:
        """A launched machine did not come up: it shows as terminated, with the reason."""
        text = ("Server.InternalError", f"Server.InternalError: {reason}")
        self._move(vm_id, lambda machine: machine.finish(text))

    def gone(self, vm_id: str) -> None:
        """A machine has ended: it shows as terminated and drops its link, address and volumes."""
        self._move(vm_id, lambda machine: machine.finish())

    def stopped(self, vm_id: str) -> None:
        """A machine that was asked to stop has stopped."""
        self._move(vm_id, lambda machine: machine.halted())

    def died(self, vm_id: str, reason: str) -> None:
        """A machine ended behind the cloud's back: shutting-down, then terminated after `gone`.

        The hypervisor is asked to terminate what may be left of it.
        """
        text = ("Server.InternalError", f"Server.InternalError: {reason}")
        self._move(vm_id, lambda machine: machine.end(text))

    def notice_spot(self, vm_id: str) -> datetime:
        """Give a spot machine its interruption notice; returns when it will be taken.

        Raises KeyError for a machine that is not there or not a spot one.
        """
        with self.lock:
            return transitions.notice_spot(self.world, vm_id)

    def spot_deadline(self, vm_id: str) -> datetime | None:
        """When a machine will be taken, None without a notice: `spot/instance-action`."""
        return self.world.state.notices.get(vm_id)

    def _move(self, vm_id: str, step: Callable[[Any], Any]) -> None:
        with self.lock:
            machine = transitions.find(self.world, vm_id)
            if machine is not None:
                step(machine)
        self._tell()

    # What the surroundings ask

    def vms(self) -> list[Vm]:
        """Every machine that has a link: pending to shutting-down, also stopped ones."""
        with self.lock:
            self._tick()
            return transitions.vms()

    def vm(self, vm_id: str) -> Vm | None:
        """One machine by id, None when it is gone."""
        return next((vm for vm in self.vms() if vm.id == vm_id), None)

    def vm_by_address(self, vpc: str, address: str) -> Vm | None:
        """The machine that holds a private address of a VPC."""
        return next(
            (vm for vm in self.vms() if vm.vpc == vpc and str(vm.private_address) == address), None
        )

    def pictures(self) -> Mapping[str, NetworkPicture]:
        """Every VPC as the fabric shall enforce it now."""
        with self.lock:
            self._tick()
            return pictures.of_all()

    def identity_document(self, vm: Vm) -> bytes:
        """The instance identity document of a machine; the metadata service signs it."""
        return identity.document(vm)

    def truth(
        self, tag_key: str | None = None, tag_value: str | None = None
    ) -> list[dict[str, Any]]:
        """Every living billable or taggable thing, asked past the wire."""
        with self.lock:
            self._tick()
            return truth.dump(self.world, tag_key, tag_value)

    @property
    def faults(self) -> FaultTable:
        """The faults in force; any thread may change them."""
        return self.world.faults

    @property
    def record(self) -> CallRecord:
        """The call record, the counts of all calls and the gaps."""
        return self.world.state.record

    # Accounts

    def add_account(self, account_id: str, policy: Mapping[str, Any] | None = None) -> Keys:
        """A key for the first user of an account, made if it is not there."""
        with self.lock:
            return accounts.add_user(account_id, policy=policy)

    def restrict(self, account_id: str, policy: Mapping[str, Any]) -> None:
        """Replace the policy of the account's first user."""
        with self.lock:
            accounts.set_policy(account_id, policy)

    def revoke(self, access_key: str) -> None:
        """Make a key unknown to the cloud, at once."""
        self.world.state.revoked.add(access_key)

    def restore_key(self, access_key: str) -> None:
        """Undo `revoke` and `expire`."""
        self.world.state.revoked.discard(access_key)
        self.world.state.expired.discard(access_key)

    def expire(self, access_key: str) -> None:
        """Make a key one that has expired."""
        self.world.state.expired.add(access_key)

    # Restart

    def snapshot(self) -> bytes:
        """All of it, for a later `restore` by the same version."""
        with self.lock:
            return snapshot.dump(self.world)

    def restore(self, raw: bytes) -> None:
        """Take up a snapshot. Afterwards the hypervisor is asked again for what was under way."""
        with self.lock:
            snapshot.load(self.world, raw)
            transitions.ask_again(self.world)
        self._tell()


__all__ = ["Emulator", "EmulatorSettings", "Keys", "Vm"]
