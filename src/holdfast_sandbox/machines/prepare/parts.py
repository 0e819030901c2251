"""Parts of the image: each is a directory that is complete or not there.

    <store>/parts/<name>-<key>       key = hash of all that decides what is in it
    <store>/parts/.making-<name>     half-made; removed at the end, whatever the end is

A changed recipe has another key, so only that part and those above it are made again.
"""

import errno
import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from holdfast_sandbox.machines import sweep
from holdfast_sandbox.machines.prepare.errors import DiskFull, PrepareError
from holdfast_sandbox.machines.prepare.progress import Progress, Step

PARTS = "parts"
HALF_MADE = ".making-"
KEY_LENGTH = 12
RESERVE_MIB = 200
FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Part:
    """One part. `make` fills an empty directory. `size_mib` is an upper estimate for the check."""

    name: str
    title: str
    recipe: Sequence[str]
    make: Callable[[Path, Step], None]
    size_mib: int

    @property
    def key(self) -> str:
        """A hash of the recipe."""
        joined = "\0".join((self.name, *self.recipe))
        return hashlib.sha256(joined.encode()).hexdigest()[:KEY_LENGTH]

    @property
    def directory(self) -> str:
        """The name of its directory."""
        return f"{self.name}-{self.key}"


class Workshop:
    """Makes parts in one store, one at a time."""

    def __init__(self, store: Path, progress: Progress) -> None:
        self.store = store
        self.progress = progress
        self._parts = store / PARTS

    def path(self, part: Part) -> Path:
        """Where a part is or will be."""
        return self._parts / part.directory

    def missing(self, parts: Iterable[Part]) -> list[Part]:
        """Those that are not there yet."""
        return [part for part in parts if not self.path(part).is_dir()]

    def ensure(self, part: Part) -> Path:
        """Make a part unless it is there; returns its directory.

        Raises DiskFull, or what its maker raises; nothing half-made stays.
        """
        path = self.path(part)
        if path.is_dir():
            return path
        unfinished = self._parts / f"{HALF_MADE}{part.directory}"
        _remove(unfinished)
        try:
            with self.progress.part(part.title) as step:
                unfinished.mkdir(parents=True)
                part.make(unfinished, step)
            unfinished.rename(path)
        except OSError as error:
            if error.errno in FULL:
                raise DiskFull(self._full(part)) from error
            raise
        except PrepareError as error:
            if free_mib(self.store) < RESERVE_MIB and not isinstance(error, DiskFull):
                raise DiskFull(f"{self._full(part)}\n{error}") from error
            raise
        finally:
            _remove(unfinished)
        return path

    def check_space(self, missing: Sequence[Part]) -> None:
        """Raises DiskFull before anything is begun if the parts would not fit."""
        need = sum(part.size_mib for part in missing) + RESERVE_MIB if missing else 0
        free = free_mib(self.store)
        if free < need:
            names = ", ".join(part.title for part in missing)
            raise DiskFull(
                f"{self.store} has {free} MiB free but {need} MiB are needed for: {names}."
                " Free some, or choose another place by --store"
            )

    def remove_half_made(self) -> None:
        """Remove what a killed run left. Only for who is `alone`."""
        for path in sorted(self._parts.glob(f"{HALF_MADE}*")):
            _remove(path)

    def remove_outdated(self, current: Iterable[Part]) -> None:
        """Remove other versions of the current parts."""
        keep = {part.directory: part.name for part in current}
        for path in sorted(self._parts.iterdir()):
            if path.name[: -KEY_LENGTH - 1] in keep.values() and path.name not in keep:
                _remove(path)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One preparation per store: a second one waits here for the first."""
        self._parts.mkdir(parents=True, exist_ok=True)
        with (self.store / "prepare.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.progress.note(f"another preparation works in {self.store}, waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _full(self, part: Part) -> str:
        return (
            f"disk full while making {part.title}: {self.store} has {free_mib(self.store)} MiB"
            f" left. Free about {part.size_mib} MiB and start again; finished parts are kept"
        )


def free_mib(directory: Path) -> int:
    """Free space of the file system of `directory` or of its nearest parent that exists."""
    while not directory.exists():
        directory = directory.parent
    return shutil.disk_usage(directory).free >> 20


def _remove(path: Path) -> None:
    if path.exists():
        sweep.unmount_below(path)
        shutil.rmtree(path)
