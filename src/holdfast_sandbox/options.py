"""How a sandbox is started: one frozen value, from the command line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

MachineKind = Literal["booted", "simulated"]


def _says(text: str) -> Parameter:
    return Parameter(help=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The settings of one run."""

    state: Annotated[Path, _says("Directory of everything that is kept; one sandbox at a time.")]
    aws_port: Annotated[int, _says("Port of AWS' API; 0: the last run's, else a free one.")] = 0
    control_port: Annotated[int, _says("Port of the control API; 0 as above.")] = 0
    proxy_port: Annotated[int, _says("Port of the proxy to public addresses; 0 as above.")] = 0
    machines: Annotated[MachineKind, _says("Booted needs Linux, root and the prepared image.")] = (
        "booted"
    )
    store: Annotated[
        Path | None, _says("Machine image and disks; default $HOLDFAST_STORE, ~/.cache/holdfast.")
    ] = None
    boot_seconds: Annotated[float, _says("How long a simulated machine boots.")] = 0.5
    visibility: Annotated[
        float, _says("Longest time in seconds that the cloud's listings lag behind.")
    ] = 0.0
    spot_notice: Annotated[float, _says("Seconds between a spot machine's notice and its end.")] = (
        120.0
    )
    seed: Annotated[
        int | None, _says("Of all that the cloud does by chance; else the last run's, else new.")
    ] = None
    verbose: Annotated[bool, Parameter(negative=(), help="Log what is done.")] = False
