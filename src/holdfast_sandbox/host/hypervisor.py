"""Boots and ends the cloud's VMs on the host's machines, each VM in order and all in parallel.

    cloud (under its lock) --launch, terminate, ...--> queue
    worker: network settled -> machine created -> cloud.booted | cloud.boot_failed

The cloud's lock is never held while a machine boots, and nothing here blocks the cloud.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

from holdfast_sandbox.aws.hypervisor import Vm
from holdfast_sandbox.host.cloud import Cloud
from holdfast_sandbox.host.ground import Ground
from holdfast_sandbox.host.lanes import Lanes
from holdfast_sandbox.host.networks import NetworkFailed, Networks
from holdfast_sandbox.ports import BootFailed, MachineSpec, Nic

log = logging.getLogger(__name__)

CONSOLES_KEPT = 200  # console logs of machines that are gone, as the cloud shows them for a while


def spec_of(vm: Vm) -> MachineSpec:
    """The machine that a VM asks for."""
    nic = Nic(vm.vpc, vm.mac, vm.private_address, vm.cidr)
    return MachineSpec(vm.id, vm.hostname, nic, vm.cpus, vm.memory_mib)


class Host:
    """The `Hypervisor` of the sandbox. `connect` gives it the cloud before the first request."""

    def __init__(self, workers: int) -> None:
        self._lanes = Lanes(workers, "vm")
        self._guard = threading.Lock()
        self._quiet: set[str] = set()  # machines that we ourselves end: not reported as died
        self._doomed: set[str] = set()  # machines whose terminate waits in their lane
        self._closing = False
        self._consoles: OrderedDict[str, str] = OrderedDict()

    def connect(self, cloud: Cloud, ground: Ground, networks: Networks) -> None:
        """Join the parts; they know each other in a circle, so this comes after their making."""
        self._cloud = cloud
        self._ground = ground
        self._machines = ground.machines
        self._networks = networks

    # What the cloud asks. Each only enqueues.

    def launch(self, vm: Vm) -> None:
        """Boot it; answer with `booted` or `boot_failed`."""
        self._lanes.put(vm.id, lambda: self._launch(vm))

    def terminate(self, vm_id: str) -> None:
        """End it and drop its disk; answer with `gone`."""
        self._silence(vm_id)
        with self._guard:
            self._doomed.add(vm_id)
        self._lanes.put(vm_id, lambda: self._terminate(vm_id))

    def stop(self, vm_id: str) -> None:
        """End it and keep its disk; answer with `stopped`."""
        self._silence(vm_id)
        self._lanes.put(vm_id, lambda: self._stop(vm_id))

    def start(self, vm_id: str) -> None:
        """Boot a stopped one; answer with `booted` or `boot_failed`."""
        self._lanes.put(vm_id, lambda: self._again(vm_id))

    def reboot(self, vm_id: str) -> None:
        """Restart it with the same disk and address."""
        self._silence(vm_id)
        self._lanes.put(vm_id, lambda: self._again(vm_id))

    def changed(self) -> None:
        """The cloud's networks may differ now."""
        self._networks.changed()

    def console(self, vm_id: str) -> str:
        """The console log, also of a machine that is gone. Raises LookupError if unknown."""
        with self._guard:
            kept = self._consoles.get(vm_id)
        return kept if kept is not None else self._machines.console(vm_id)

    def output(self, vm_id: str) -> str:
        """As `console`, empty where there is none: what the cloud's API shows."""
        try:
            return self.console(vm_id)
        except LookupError:
            return ""

    # What the machines report.

    def ended(self, machine_id: str, reason: str) -> None:
        """A machine ended by itself or was killed: its cloud learns it, unless we ended it."""
        with self._guard:
            if machine_id in self._quiet:
                return
        self._lanes.put(machine_id, lambda: self._report(machine_id, reason))

    def close(self) -> None:
        """Begin nothing more and wait for what is under way.

        A boot that ends by this is not told to the cloud: it is still pending there, so the next
        start of the sandbox boots it again.
        """
        self._closing = True
        self._ground.give_up()
        self._lanes.close()

    # The work.

    def _report(self, machine_id: str, reason: str) -> None:
        # The news of an end may arrive behind the destroy that caused it.
        if machine_id in self._machines.status():
            self._cloud.died(machine_id, reason)

    def _launch(self, vm: Vm) -> None:
        with self._guard:
            if vm.id in self._doomed:
                return
        self._boot(vm, lambda: self._machines.create(spec_of(vm)))

    def _boot(self, vm: Vm, boot: Callable[[], None]) -> None:
        try:
            self._networks.settle(vm.vpc)
            boot()
        except (BootFailed, NetworkFailed) as error:
            self._failed(vm.id, str(error))
        except Exception as error:  # whatever it was, the cloud must not show "pending" for ever
            log.exception("machine %s could not be booted", vm.id)
            self._failed(vm.id, f"{type(error).__name__}: {error}")
        else:
            self._cloud.booted(vm.id)

    def _failed(self, vm_id: str, reason: str) -> None:
        if self._closing:
            return
        self._remove(vm_id)
        self._cloud.boot_failed(vm_id, reason)

    def _terminate(self, vm_id: str) -> None:
        self._remove(vm_id)
        with self._guard:
            self._quiet.discard(vm_id)
            self._doomed.discard(vm_id)
        self._cloud.gone(vm_id)

    def _remove(self, vm_id: str) -> None:
        self._keep_console(vm_id)
        self._machines.destroy(vm_id)
        self._ground.fabric.unplug(vm_id)

    def _stop(self, vm_id: str) -> None:
        with suppress(LookupError):  # it may never have come to boot
            self._machines.kill(vm_id)
        self._cloud.stopped(vm_id)

    def _again(self, vm_id: str) -> None:
        """Boot with the old disk; after a restart of the sandbox there is none, then with a new."""
        vm = self._cloud.vm(vm_id)
        if vm is None:
            return
        if vm_id in self._machines.status():
            self._boot(vm, lambda: self._machines.reboot(vm_id))
        else:
            self._boot(vm, lambda: self._machines.create(spec_of(vm)))
        with self._guard:
            self._quiet.discard(vm_id)

    def _silence(self, vm_id: str) -> None:
        with self._guard:
            self._quiet.add(vm_id)

    def _keep_console(self, vm_id: str) -> None:
        if vm_id not in self._machines.status():
            return
        text = self._machines.console(vm_id)
        with self._guard:
            self._consoles[vm_id] = text
            while len(self._consoles) > CONSOLES_KEPT:
                self._consoles.popitem(last=False)
