"""Living sandboxes keep what is theirs; the host's limit goes back when the last one ends."""

from pathlib import Path

import pytest

from holdfast_sandbox.machines import inotify, sweep


def test_a_name_belongs_to_one_living_sandbox(tmp_path: Path) -> None:
    held = sweep.claim(tmp_path, "one")
    with pytest.raises(sweep.BusyName, match="machines/one"):
        sweep.claim(tmp_path, "one")
    assert sweep.living(held.family)
    sweep.release(held)
    assert not sweep.living(held.family)
    sweep.release(sweep.claim(tmp_path, "one"))
    assert not (tmp_path / "machines/one").exists()


def test_a_raised_limit_is_restored_by_the_last_sandbox(tmp_path: Path) -> None:
    limit = tmp_path / "limit"
    limit.write_text("128\n")
    first = sweep.claim(tmp_path, "one")
    second = sweep.claim(tmp_path, "two")
    assert "raised from 128 to 4096" in inotify.enlarge(first.family, limit)
    assert inotify.enlarge(second.family, limit) == ""
    sweep.release(first)
    inotify.restore(first.family, limit)
    assert limit.read_text() == "4096\n"
    sweep.release(second)
    inotify.restore(second.family, limit)
    assert limit.read_text() == "128\n"
    inotify.restore(second.family, limit)


def test_a_limit_that_stays_low_is_said_with_what_fits(tmp_path: Path) -> None:
    limit = tmp_path / "limit"
    assert (
        inotify.too_low(128, limit) == f"{limit} is 128 and cannot be raised: at most 13 machines"
    )


def test_a_limit_that_is_high_enough_is_left_alone(tmp_path: Path) -> None:
    limit = tmp_path / "limit"
    limit.write_text("8192\n")
    assert inotify.enlarge(tmp_path, limit) == ""
    inotify.restore(tmp_path, limit)
    assert limit.read_text() == "8192\n"
