"""What the host asks of the cloud emulator: the part of `aws.emulator.Emulator` that it uses."""

from typing import Protocol

from holdfast_sandbox.aws.hypervisor import Vm


class Cloud(Protocol):
    """The cloud as its host sees it. Callbacks may come from any thread and take the lock."""

    def vm(self, vm_id: str) -> Vm | None:
        """The VM of that id as it is now, None when the cloud has none."""
        ...

    def booted(self, vm_id: str) -> None:
        """Its init has taken over: running."""
        ...

    def boot_failed(self, vm_id: str, reason: str) -> None:
        """It never reached its init: terminated, with the reason."""
        ...

    def stopped(self, vm_id: str) -> None:
        """Its processes have ended, its disk is kept."""
        ...

    def gone(self, vm_id: str) -> None:
        """Nothing of it is left: terminated."""
        ...

    def died(self, vm_id: str, reason: str) -> None:
        """It ended by itself or by a failure of its host."""
        ...
