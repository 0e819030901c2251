"""What machines stand on: a real runner and fabric, or simulated ones."""

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from holdfast_sandbox.host.simulated import SimulatedFabric, SimulatedMachines
from holdfast_sandbox.options import Options
from holdfast_sandbox.ports import Fabric, Machines, MetadataService

Ended = Callable[[str, str], None]
SIMULATED_WORKERS = 64  # each only waits
BOOTED_WORKERS = 8  # creating is serial in the runner; waiting and ending are not


class CannotBoot(Exception):
    """This host can't boot machines, or the image is missing; the message says what lacks."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Machines and fabric of one sandbox. `give_up` ends boots that would take long."""

    machines: Machines
    fabric: Fabric
    give_up: Callable[[], None]


def workers(options: Options) -> int:
    """How many machines are worked on at the same time."""
    return SIMULATED_WORKERS if options.machines == "simulated" else BOOTED_WORKERS


def make(
    options: Options, proxy_port: int, metadata: MetadataService, ended: Ended, undo: ExitStack
) -> Ground:
    """Make both, and push their closing on `undo`. Raises CannotBoot."""
    if options.machines == "simulated":
        simulated = SimulatedMachines(options.boot_seconds, ended)
        undo.callback(simulated.close)
        return Ground(simulated, SimulatedFabric(), simulated.give_up)
    return _booted(options, proxy_port, metadata, ended, undo)


def _booted(
    options: Options, proxy_port: int, metadata: MetadataService, ended: Ended, undo: ExitStack
) -> Ground:
    # Both need Linux; a simulated sandbox must start anywhere, so they are loaded only here.
    from holdfast_sandbox.fabric.errors import FabricError  # noqa: PLC0415
    from holdfast_sandbox.fabric.fabric import LinuxFabric  # noqa: PLC0415
    from holdfast_sandbox.machines import image, probe  # noqa: PLC0415
    from holdfast_sandbox.machines.runner import HostMachines  # noqa: PLC0415

    store = options.store or image.default_store()
    if why_not := probe.missing(store):
        raise CannotBoot(why_not)
    try:
        fabric = LinuxFabric(metadata, proxy_port=proxy_port)
    except FabricError as error:
        raise CannotBoot(f"fabric: {error}") from error
    undo.callback(fabric.close)
    machines = HostMachines(image.load(store), name_of(options.state), fabric, ended)
    undo.callback(machines.close)
    return Ground(machines, fabric, _wait_for_boots)


def _wait_for_boots() -> None:
    """A real boot reaches its init, or fails, within seconds: it is waited for."""


def name_of(state: Path) -> str:
    """The name of the sandbox on this host, from its state directory."""
    return f"s-{hashlib.blake2s(str(state.resolve()).encode()).hexdigest()[:10]}"
