"""The preparation as a whole: what is missing is made, in order, and then declared usable."""

import json
import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from holdfast_sandbox.machines import image, sweep
from holdfast_sandbox.machines.image import NotPrepared, Prepared
from holdfast_sandbox.machines.prepare import (
    debian,
    download,
    gobuild,
    golden,
    gomod,
    images,
    layer,
    place,
    recipe,
    toolchain,
)
from holdfast_sandbox.machines.prepare.errors import DiskFull, PrepareError
from holdfast_sandbox.machines.prepare.parts import Part, Workshop, free_mib
from holdfast_sandbox.machines.prepare.progress import Progress, Step
from holdfast_sandbox.machines.prepare.recipe import GoProgram
from holdfast_sandbox.machines.prepare.toolchain import Go

PROGRAMS = Path(__file__).parent / "programs"
NEEDED = {
    "mmdebstrap": "mmdebstrap",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "ip": "iproute2",
}
GO_CACHE_MIB = 5000
COLD_RECORD = "preparation.json"  # how long the last preparation took that found nothing made


def prepare(store: Path, versions: Sequence[str], progress: Progress) -> Prepared:
    """Make the machine image for these Kubernetes versions, or find it made.

    Versions that are prepared already are kept beside the wanted ones; the first wanted is the
    one in use. Raises PrepareError saying what to do; what was finished is kept then.
    """
    for version in versions:
        recipe.etcd_version(version)
    place.check(store)
    shop = Workshop(store, progress)
    with shop.alone():
        plan = _Plan(shop, _with_older(store, versions))
        if found := plan.finished():
            image.save(found)
            return found
        _check_host()
        shop.remove_half_made()
        return plan.make()


def _with_older(store: Path, versions: Sequence[str]) -> list[str]:
    """The wanted versions, then those that the present image has."""
    older: Sequence[str] = ()
    with suppress(NotPrepared):
        older = image.load(store).versions
    wanted = list(versions) or [recipe.DEFAULT_VERSION]
    return list(dict.fromkeys([*wanted, *(v for v in older if v in recipe.RELEASES)]))


def _check_host() -> None:
    if os.geteuid() != 0:
        raise PrepareError("the machine image can be made by root only")
    lacking = {program: package for program, package in NEEDED.items() if not shutil.which(program)}
    if lacking:
        packages = " ".join(sorted(set(lacking.values())))
        raise PrepareError(f"missing: {', '.join(lacking)}. Try: apt-get install {packages}")


class _Plan:
    """The parts for some versions, each known by name before anything is made."""

    def __init__(self, shop: Workshop, versions: Sequence[str]) -> None:
        self._shop = shop
        self._go = Go(Path("go"))
        self._site_answers: bool | None = None
        self.base = debian.part()
        self.kubernetes = {version: self._kubernetes(version) for version in versions}
        etcds = dict.fromkeys(recipe.etcd_version(version) for version in versions)
        self.etcd = {version: self._program(recipe.etcd(version)) for version in etcds}
        self.containerd = self._program(recipe.containerd())
        self.coredns = self._program(recipe.coredns((PROGRAMS / "coredns.go").read_text()))
        self.flannel = self._program(recipe.flannel())
        self.pause = self._program(recipe.pause((PROGRAMS / "pause.go").read_text()))

    def finished(self) -> Prepared | None:
        """The image, if every part is there."""
        if self._shop.missing(self._all()):
            return None
        return self._prepared()

    def make(self) -> Prepared:
        """Make every part that is missing."""
        began, missing = time.monotonic(), self._shop.missing(self._all())
        self._shop.check_space(missing)
        if self._shop.missing([*self.kubernetes.values(), *self._programs()]):
            self._go = self._toolchain()
        self._shop.ensure(self.base)
        for part in (*self._programs(), *self.kubernetes.values()):
            self._shop.ensure(part)
        self._shop.ensure(self._layer())
        self._shop.ensure(self._golden())
        made = self._prepared()
        image.save(made)
        if len(missing) == len(self._all()):
            self._record(time.monotonic() - began)
        if not sweep.living(self._shop.store / sweep.MACHINES):
            self._shop.remove_outdated(self._all())
        return made

    def _record(self, seconds: float) -> None:
        facts = {"seconds": round(seconds, 1), "versions": list(self.kubernetes)}
        (self._shop.store / COLD_RECORD).write_text(json.dumps(facts) + "\n")

    def _all(self) -> list[Part]:
        parts = [self.base, *self._programs(), *self.kubernetes.values()]
        return [*parts, self._layer(), self._golden()]

    def _programs(self) -> list[Part]:
        return [self.containerd, *self.etcd.values(), self.coredns, self.flannel, self.pause]

    def _program(self, program: GoProgram) -> Part:
        part = gobuild.part(program, self._go)
        return replace(part, make=partial(self._build, program))

    def _build(self, program: GoProgram, directory: Path, step: Step) -> None:
        gobuild.build(program, self._go, directory, step)

    def _kubernetes(self, version: str) -> Part:
        program = gomod.kubernetes(version)
        part = gobuild.part(program, self._go)
        return replace(part, make=partial(self._make_kubernetes, program))

    def _make_kubernetes(self, program: GoProgram, directory: Path, step: Step) -> None:
        """From the official site where it answers, else from the published Go modules."""
        if self._site_answers is None:
            self._site_answers = download.reachable()
        if self._site_answers:
            names = [*program.binaries.values()]
            download.fetch(program.version, names, recipe.architecture(), directory, step)
            return
        published = gobuild.published_gomod(program.version, self._go, directory)
        header = gomod.kubernetes_header(program.version, published)
        gobuild.build(replace(program, header=header), self._go, directory, step)

    def _toolchain(self) -> Go:
        go = toolchain.of_host()
        if go is None:
            go = toolchain.inside(self._shop.ensure(toolchain.part()))
        cache = go.cache()
        if free_mib(cache) < GO_CACHE_MIB and not cache.exists():
            raise DiskFull(
                f"{cache} has {free_mib(cache)} MiB free but compiling Kubernetes needs"
                f" {GO_CACHE_MIB} MiB there; set GOCACHE to another place"
            )
        return go

    def _layer(self) -> Part:
        return layer.part(
            layer.LayerSources(
                kubernetes=self._paths(self.kubernetes),
                containerd=self._shop.path(self.containerd),
                etcd=self._shop.path(next(iter(self.etcd.values()))),
            )
        )

    def _golden(self) -> Part:
        etcd = {v: self._shop.path(self.etcd[recipe.etcd_version(v)]) for v in self.kubernetes}
        sources = images.Sources(
            base=self._base_root(),
            kubernetes=self._paths(self.kubernetes),
            etcd=etcd,
            coredns=self._shop.path(self.coredns),
            flannel=self._shop.path(self.flannel),
            pause=self._shop.path(self.pause),
        )
        return golden.part(sources, replace(self._layers(), golden=None))

    def _paths(self, parts: dict[str, Part]) -> dict[str, Path]:
        return {name: self._shop.path(part) for name, part in parts.items()}

    def _base_root(self) -> Path:
        return self._shop.path(self.base) / debian.ROOT

    def _layers(self) -> Prepared:
        lower = (self._shop.path(self._layer()), self._base_root())
        return Prepared(self._shop.store, lower, None, tuple(self.kubernetes))

    def _prepared(self) -> Prepared:
        images_at = self._shop.path(self._golden()) / golden.CONTAINERD
        return replace(self._layers(), golden=images_at)
