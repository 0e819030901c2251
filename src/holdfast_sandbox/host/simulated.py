"""Machines and networks without processes, for tests on any system and without root.

A simulated machine boots after a delay, can be frozen, killed and rebooted, and runs nothing.
"""

import threading
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address

from holdfast_sandbox.ports import (
    BootFailed,
    MachineSpec,
    MachineState,
    MachineStatus,
    NetworkPicture,
    Nic,
)

CANNOT_EXECUTE = 126  # what a shell answers for a command that it may not run


class SimulatedMachines:
    """The `Machines` of a host where nothing really runs.

    boot_seconds  how long each boot takes
    ended         told of a machine that was killed, with the reason
    """

    def __init__(self, boot_seconds: float, ended: Callable[[str, str], None]) -> None:
        self._boot_seconds = boot_seconds
        self._ended = ended
        self._guard = threading.Lock()
        self._states: dict[str, MachineStatus] = {}
        self._consoles: dict[str, str] = {}
        self._given_up: dict[str, threading.Event] = {}
        self._open = True

    def create(self, spec: MachineSpec) -> None:
        """Wait for the boot time. Raises BootFailed when the machine is destroyed meanwhile."""
        given_up = threading.Event()
        with self._guard:
            if not self._open:
                raise BootFailed("the sandbox stops")
            self._given_up[spec.id] = given_up
            self._states[spec.id] = MachineStatus(spec.id, MachineState.BOOTING)
            self._consoles[spec.id] = f"simulated machine {spec.id} ({spec.hostname})\n"
        if given_up.wait(self._boot_seconds):
            raise BootFailed("the machine was ended while it booted")
        self._become(spec.id, MachineState.RUNNING, "")

    def destroy(self, machine_id: str) -> None:
        """Forget a machine; one that boots gives up."""
        with self._guard:
            self._states.pop(machine_id, None)
            self._consoles.pop(machine_id, None)
            given_up = self._given_up.pop(machine_id, None)
        if given_up is not None:
            given_up.set()

    def kill(self, machine_id: str) -> None:
        """End it as a host failure does."""
        if self._state(machine_id) is MachineState.GONE:
            return
        self._become(machine_id, MachineState.GONE, "killed")
        self._ended(machine_id, "killed")

    def freeze(self, machine_id: str) -> None:
        """Mark it frozen."""
        self._become(machine_id, MachineState.FROZEN, "frozen")

    def thaw(self, machine_id: str) -> None:
        """Mark it running."""
        self._become(machine_id, MachineState.RUNNING, "")

    def reboot(self, machine_id: str) -> None:
        """It runs again; the console says so."""
        self._become(machine_id, MachineState.RUNNING, "")
        with self._guard:
            self._consoles[machine_id] = self._consoles.get(machine_id, "") + "rebooted\n"

    def execute(self, machine_id: str, command: list[str], timeout: float = 30) -> tuple[int, str]:
        """Refuse: there is nothing that could run a command."""
        del command, timeout
        return CANNOT_EXECUTE, f"{machine_id} is a simulated machine and runs no commands"

    def console(self, machine_id: str) -> str:
        """A line for each boot. Raises LookupError for an unknown machine."""
        self._state(machine_id)
        with self._guard:
            return self._consoles.get(machine_id, "")

    def status(self) -> Mapping[str, MachineStatus]:
        """Every machine by id."""
        with self._guard:
            return dict(self._states)

    def give_up(self) -> None:
        """End every boot that is under way, and begin no other."""
        with self._guard:
            self._open = False
            boots = list(self._given_up.values())
        for given_up in boots:
            given_up.set()

    def close(self) -> None:
        """Forget all machines."""
        for machine_id in list(self.status()):
            self.destroy(machine_id)

    def _state(self, machine_id: str) -> MachineState:
        with self._guard:
            if machine_id not in self._states:
                raise LookupError(f"no machine {machine_id}")
            return self._states[machine_id].state

    def _become(self, machine_id: str, state: MachineState, reason: str) -> None:
        with self._guard:
            if machine_id not in self._states:
                raise LookupError(f"no machine {machine_id}")
            self._states[machine_id] = MachineStatus(machine_id, state, None, reason)


class SimulatedFabric:
    """The `Fabric` of simulated machines: remembers what it was told."""

    def __init__(self) -> None:
        self.networks: dict[str, NetworkPicture] = {}
        self.exposed: dict[tuple[IPv4Address, int], tuple[str, int]] = {}
        self.cut_off: set[str] = set()

    def apply(self, picture: NetworkPicture) -> None:
        """Remember the picture."""
        self.networks[picture.id] = picture

    def remove(self, network: str) -> None:
        """Forget it."""
        self.networks.pop(network, None)

    def plug(self, machine: str, nic: Nic, pid: int) -> None:
        """Accept: there is no link to make."""

    def unplug(self, machine: str) -> None:
        """Accept: there is no link to remove."""
        self.cut_off.discard(machine)

    def cut(self, machine: str, *, down: bool) -> None:
        """Remember which machines are cut off."""
        (self.cut_off.add if down else self.cut_off.discard)(machine)

    def expose(self, address: IPv4Address, port: int, target: tuple[str, int]) -> None:
        """Remember the target."""
        self.exposed[address, port] = target

    def withdraw(self, address: IPv4Address, port: int) -> None:
        """Forget it."""
        self.exposed.pop((address, port), None)

    @property
    def proxy_url(self) -> str:
        """Empty: simulated machines answer no one."""
        return ""

    def close(self) -> None:
        """Forget all."""
        self.networks.clear()
        self.exposed.clear()
        self.cut_off.clear()
