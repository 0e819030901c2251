"""Machines that are only said to run: a hypervisor for tests and hosts that cannot boot any."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from holdfast_sandbox.aws.hypervisor import Vm


class Cloud(Protocol):
    """Who is told what became of a request: the emulator."""

    def booted(self, vm_id: str) -> None:
        """It is up."""
        ...

    def boot_failed(self, vm_id: str, reason: str) -> None:
        """It did not come up."""
        ...

    def gone(self, vm_id: str) -> None:
        """It has ended."""
        ...

    def stopped(self, vm_id: str) -> None:
        """It has stopped."""
        ...


def never(vm: Vm) -> str:  # noqa: ARG001 - a rule looks at the machine
    """No boot fails."""
    return ""


@dataclass(slots=True)
class SimulatedMachines:
    """Keeps every request until `settle` answers it, so that the states between can be seen.

    `fails` names the reason why a machine shall not boot, "" if it shall.
    """

    fails: Callable[[Vm], str] = never
    asked: deque[tuple[str, str]] = field(default_factory=deque)
    known: dict[str, Vm] = field(default_factory=dict)

    def launch(self, vm: Vm) -> None:
        """Keep the request."""
        self.known[vm.id] = vm
        self.asked.append(("launch", vm.id))

    def terminate(self, vm_id: str) -> None:
        """Keep the request."""
        self.asked.append(("terminate", vm_id))

    def stop(self, vm_id: str) -> None:
        """Keep the request."""
        self.asked.append(("stop", vm_id))

    def start(self, vm_id: str) -> None:
        """Keep the request."""
        self.asked.append(("start", vm_id))

    def reboot(self, vm_id: str) -> None:
        """Keep the request."""
        self.asked.append(("reboot", vm_id))

    def settle(self, cloud: Cloud) -> None:
        """Answer everything that was asked, in order, also what the answers bring about."""
        while self.asked:
            verb, vm_id = self.asked.popleft()
            self._answer(cloud, verb, vm_id)

    def _answer(self, cloud: Cloud, verb: str, vm_id: str) -> None:
        if verb == "launch" and (reason := self.fails(self.known[vm_id])):
            cloud.boot_failed(vm_id, reason)
        elif verb in ("launch", "start"):
            cloud.booted(vm_id)
        elif verb == "terminate":
            cloud.gone(vm_id)
        elif verb == "stop":
            cloud.stopped(vm_id)
