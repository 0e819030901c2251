"""Making programmes from Go modules."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from holdfast_sandbox.machines.prepare import commands, gomod
from holdfast_sandbox.machines.prepare.errors import CommandFailed
from holdfast_sandbox.machines.prepare.parts import Part
from holdfast_sandbox.machines.prepare.progress import Step
from holdfast_sandbox.machines.prepare.recipe import GoProgram
from holdfast_sandbox.machines.prepare.toolchain import Go

WORK = "build"
OnLine = Callable[[str], None] | None


def part(program: GoProgram, go: Go) -> Part:
    """The part with the programmes of one build, directly in its directory."""
    recipe = (
        program.version,
        program.ldflags,
        program.tags,
        program.copied,
        program.dropped,
        *program.tools,
        *(f"{package}={name}" for package, name in program.binaries.items()),
        *(text for pair in program.sources.items() for text in pair),
    )

    def make(directory: Path, step: Step) -> None:
        build(program, go, directory, step)

    return Part(program.name, program.title, recipe, make, program.size_mib)


def build(program: GoProgram, go: Go, directory: Path, step: Step) -> None:
    """Build into `directory`. Go's module and build caches are the user's own."""
    work = directory / WORK
    work.mkdir()
    step.advance("resolving modules", steps=0)
    if program.copied:
        _copy_module(program, go, work)
    else:
        header = program.header or gomod.plain(program.name)
        (work / "go.mod").write_text(header)
        for name, text in program.sources.items():
            (work / name).write_text(text)
    if program.tools:
        get = ["get", *(["-tool"] if not program.sources else []), *program.tools]
        _go(go, work, get, lambda line: step.advance(line, steps=0))
    _compile(program, go, directory, step)
    shutil.rmtree(work)


def published_gomod(version: str, go: Go, scratch: Path) -> str:
    """The text of the go.mod that belongs to the Kubernetes module `version`."""
    return Path(_download(f"k8s.io/kubernetes@v{version}", go, scratch)["GoMod"]).read_text()


def _compile(program: GoProgram, go: Go, directory: Path, step: Step) -> None:
    work = directory / WORK
    packages = list(program.binaries)
    tags = ["-tags", program.tags] if program.tags else []
    listed = _go(go, work, ["list", "-deps", *tags, *packages])
    step.total(len(listed.splitlines()))
    out = directory / "out"
    out.mkdir()
    flags = ["-trimpath", *tags, "-ldflags", program.ldflags]
    _go(go, work, ["build", "-v", *flags, "-o", f"{out}/", *packages], step.advance)
    for package, name in program.binaries.items():
        (out / _built_name(package, work, go)).rename(directory / name)
    out.rmdir()


def _built_name(package: str, work: Path, go: Go) -> str:
    """What `go build` calls a programme: the last element of its path that is no version."""
    path = _go(go, work, ["list", package]).strip() if package == "." else package
    elements = path.split("/")
    is_version = elements[-1][:1] == "v" and elements[-1][1:].isdigit()
    return elements[-2] if is_version else elements[-1]


def _copy_module(program: GoProgram, go: Go, work: Path) -> None:
    source = _download(program.copied, go, work)["Dir"]
    shutil.copytree(source, work, dirs_exist_ok=True)
    commands.run(["chmod", "-R", "u+w", str(work)])
    main = work / "main.go"
    lines = main.read_text().splitlines(keepends=True)
    kept = [line for line in lines if program.dropped not in line]
    if len(kept) == len(lines):
        raise CommandFailed(f"{program.copied} has no line with {program.dropped} in its main.go")
    main.write_text("".join(kept))


def _download(module: str, go: Go, scratch: Path) -> dict[str, str]:
    text = _go(go, scratch, ["mod", "download", "-json", module])
    found: dict[str, str] = json.loads(text[text.index("{") :])
    if "Error" in found:
        raise CommandFailed(f"{module} can not be downloaded: {found['Error']}")
    return found


def _go(go: Go, work: Path, arguments: list[str], on_line: OnLine = None) -> str:
    argv = ["nice", str(go.program), *arguments]
    return commands.run(argv, cwd=work, env=go.environment(), on_line=on_line)
