"""Parts are complete or absent, and made again only when their recipe changes."""

import errno
import shutil
from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from holdfast_sandbox.machines.prepare import parts
from holdfast_sandbox.machines.prepare.errors import CommandFailed, DiskFull
from holdfast_sandbox.machines.prepare.parts import Part, Workshop
from holdfast_sandbox.machines.prepare.progress import Step

Usage = namedtuple("Usage", "total used free")


class Quiet:
    """Progress that only remembers which parts began."""

    def __init__(self) -> None:
        self.begun: list[str] = []

    @contextmanager
    def part(self, title: str) -> Iterator[Step]:
        self.begun.append(title)
        yield self

    def total(self, steps: int) -> None: ...

    def advance(self, what: str = "", steps: int = 1) -> None: ...

    def note(self, text: str) -> None: ...


def write_one(directory: Path, step: Step) -> None:
    (directory / "file").write_text("content")


def a_part(
    *recipe: str, name: str = "thing", make: Callable[[Path, Step], None] = write_one, size: int = 1
) -> Part:
    return Part(name, f"the {name}", recipe, make, size)


def contents(store: Path) -> list[str]:
    return sorted(path.name for path in (store / "parts").iterdir())


def test_a_part_is_made_once(tmp_path: Path) -> None:
    progress = Quiet()
    shop = Workshop(tmp_path, progress)
    first = shop.ensure(a_part("flour"))
    assert shop.ensure(a_part("flour")) == first
    assert (first / "file").read_text() == "content"
    assert progress.begun == ["the thing"]


def test_a_changed_recipe_makes_only_that_part_again(tmp_path: Path) -> None:
    progress = Quiet()
    shop = Workshop(tmp_path, progress)
    shop.ensure(a_part("flour"))
    shop.ensure(a_part("eggs", name="other"))
    changed = shop.ensure(a_part("rye"))
    shop.ensure(a_part("eggs", name="other"))
    assert progress.begun == ["the thing", "the other", "the thing"]
    shop.remove_outdated([a_part("rye"), a_part("eggs", name="other")])
    assert len(contents(tmp_path)) == 2
    assert changed.is_dir()


def test_what_is_no_version_of_a_current_part_stays(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, Quiet())
    shop.ensure(a_part("x", name="etcd-3.6.8"))
    shop.ensure(a_part("x", name="etcd-3.7.3"))
    shop.remove_outdated([a_part("x", name="etcd-3.7.3")])
    assert [name[:10] for name in contents(tmp_path)] == ["etcd-3.6.8", "etcd-3.7.3"]


def test_a_full_disk_is_named_and_leaves_nothing_half_made(tmp_path: Path) -> None:
    def fill(directory: Path, step: Step) -> None:
        (directory / "half").write_text("made")
        # A device whose every write fails as on a disk without space.
        with Path("/dev/full").open("wb", buffering=0) as full:
            full.write(b"x")

    shop = Workshop(tmp_path, Quiet())
    with pytest.raises(DiskFull, match=r"disk full while making the thing: .* finished parts are"):
        shop.ensure(a_part("flour", make=fill))
    assert contents(tmp_path) == []


def test_a_programme_that_fails_for_want_of_space_is_reported_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(directory: Path, step: Step) -> None:
        raise CommandFailed("link: exit code 1")

    shop = Workshop(tmp_path, Quiet())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 << 20, 99 << 20, 1 << 20))
    with pytest.raises(DiskFull, match=r"1 MiB left(?s:.*)link: exit code 1"):
        shop.ensure(a_part("flour", make=fail))


def test_another_failure_keeps_its_own_words(tmp_path: Path) -> None:
    def fail(directory: Path, step: Step) -> None:
        raise OSError(errno.EACCES, "denied")

    with pytest.raises(PermissionError, match="denied"):
        Workshop(tmp_path, Quiet()).ensure(a_part("flour", make=fail))
    assert contents(tmp_path) == []


def test_an_interruption_leaves_nothing_half_made(tmp_path: Path) -> None:
    def interrupt(directory: Path, step: Step) -> None:
        (directory / "half").write_text("made")
        raise KeyboardInterrupt

    shop = Workshop(tmp_path, Quiet())
    with pytest.raises(KeyboardInterrupt):
        shop.ensure(a_part("flour", make=interrupt))
    assert contents(tmp_path) == []
    shop.ensure(a_part("flour"))
    assert len(contents(tmp_path)) == 1


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, Quiet())
    part = a_part("flour")
    left = tmp_path / "parts" / f"{parts.HALF_MADE}{part.directory}"
    left.mkdir(parents=True)
    (left / "old").write_text("half")
    (tmp_path / "parts" / f"{parts.HALF_MADE}other").mkdir()
    made = shop.ensure(part)
    shop.remove_half_made()
    assert sorted(path.name for path in made.iterdir()) == ["file"]
    assert contents(tmp_path) == [part.directory]


def test_too_little_space_is_said_before_anything_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Workshop(tmp_path, Quiet())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10 << 30, 9 << 30, 1 << 30))
    shop.check_space([a_part("x", size=800)])
    with pytest.raises(DiskFull, match=r"1024 MiB free but 1100 MiB are needed for: the thing"):
        shop.check_space([a_part("x", size=900)])
    shop.check_space([])


def test_the_key_depends_on_name_and_recipe_but_not_on_their_joints() -> None:
    keys = {part.key for part in (a_part("a", "b"), a_part("ab"), a_part("a", "b", name="o"))}
    assert len(keys) == 3
    assert a_part("a", "b").key == a_part("a", "b").key
