"""What the cloud asks of whoever boots its virtual machines, as values and one protocol."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Vm:
    """A virtual machine as the cloud knows it at one moment.

    `public_address` is what the world reaches it by now (automatic or reserved), None if nothing.
    `user_data` is raw, as the cloud hands it to the machine.
    """

    id: str
    account: str
    region: str
    zone: str
    vpc: str
    subnet: str
    cidr: IPv4Network
    private_address: IPv4Address
    public_address: IPv4Address | None
    mac: str
    hostname: str
    instance_type: str
    architecture: str
    cpus: int
    memory_mib: int
    image: str
    user_data: bytes
    spot: bool
    launched: datetime
    state: str
    hop_limit: int = 1
    tokens_required: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


class Hypervisor(Protocol):
    """Boots and ends VMs. Every method is called under the emulator's lock: MUST only enqueue.

    What became of a request is told through `Emulator.booted`, `boot_failed`, `gone`, `stopped`
    and `died`, from any thread, later.
    """

    def launch(self, vm: Vm) -> None:
        """Boot it; answer with `booted` or `boot_failed`."""
        ...

    def terminate(self, vm_id: str) -> None:
        """End it and drop its disk; answer with `gone`. MUST accept one that is gone already."""
        ...

    def stop(self, vm_id: str) -> None:
        """End it and keep its disk; answer with `stopped`."""
        ...

    def start(self, vm_id: str) -> None:
        """Boot a stopped one; answer with `booted`."""
        ...

    def reboot(self, vm_id: str) -> None:
        """Restart it with the same disk and address; no answer is expected."""
        ...
