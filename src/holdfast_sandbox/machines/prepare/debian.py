"""The lowest layer: Debian with systemd, cloud-init and what Kubernetes nodes need."""

import re
from collections.abc import Sequence
from pathlib import Path

from holdfast_sandbox.machines.prepare import commands
from holdfast_sandbox.machines.prepare.parts import Part
from holdfast_sandbox.machines.prepare.progress import Step
from holdfast_sandbox.machines.prepare.recipe import MIRROR, PACKAGES, SUITE, UNWANTED_PATHS

ROOT = "root"
MESSAGES = 22  # lines beginning with "I:" that mmdebstrap 1.3 writes
SOURCES = ("sources.list", "sources.list.d")
ADDRESS = re.compile(r"https?://\S*/debian/?(?=\s|$)")


def part() -> Part:
    """Debian's root file system, in `root` of the part."""
    recipe = (SUITE, *PACKAGES, *UNWANTED_PATHS)
    return Part("debian", "Debian base system", recipe, _make, size_mib=700)


def mirror(apt: Path = Path("/etc/apt")) -> str:
    """The Debian mirror that the host's own package manager uses, else the general one."""
    places = [apt / SOURCES[0], *sorted((apt / SOURCES[1]).glob("*"))]
    for place in (path for path in places if path.is_file()):
        lines = [line for line in place.read_text().splitlines() if not line.startswith("#")]
        if found := ADDRESS.search("\n".join(lines)):
            return found[0].rstrip("/")
    return MIRROR


def command(directory: Path, source: str) -> Sequence[str]:
    """How the root file system is made in `directory`."""
    return [
        # It forks helpers that would outlive it; a pid namespace ends as a whole.
        *("unshare", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc"),
        "nice",
        "mmdebstrap",
        "--mode=root",
        "--variant=apt",
        f"--include={','.join(PACKAGES)}",
        '--aptopt=Apt::Install-Recommends "false"',
        '--aptopt=Acquire::Languages "none"',
        *(f"--dpkgopt=path-exclude={path}" for path in UNWANTED_PATHS),
        SUITE,
        str(directory),
        source,
    ]


def _make(directory: Path, step: Step) -> None:
    step.total(MESSAGES)

    def heard(line: str) -> None:
        if line.startswith("I: "):
            step.advance(line.removeprefix("I: "))

    commands.run(command(directory / ROOT, mirror()), on_line=heard)
