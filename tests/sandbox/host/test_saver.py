"""The cloud's state reaches the disk soon after a change, whole, and at the end."""

import threading
from pathlib import Path

import pytest

from holdfast_sandbox.files import write_whole
from holdfast_sandbox.host import saver
from holdfast_sandbox.host.saver import Saver

SOON = 10


def test_a_file_is_replaced_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    (tmp_path / ".secret.part").write_text("left by a crash")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["secret"]


def test_changes_in_a_row_are_saved_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saver, "QUIET_SECONDS", 0.05)
    taken = threading.Semaphore(0)
    count = 0

    def snapshot() -> bytes:
        nonlocal count
        count += 1
        taken.release()
        return str(count).encode()

    saving = Saver(snapshot, tmp_path / "state")
    saving.start()
    for _ in range(100):
        saving.changed()
    assert taken.acquire(timeout=SOON)
    assert count == 1
    saving.close()
    assert (tmp_path / "state").read_bytes() == b"2"


def test_a_failed_save_is_logged_and_the_next_one_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(saver, "QUIET_SECONDS", 0.01)
    tried = threading.Semaphore(0)
    broken = True

    def snapshot() -> bytes:
        tried.release()
        if broken:
            raise OSError("disk full")
        return b"fine"

    saving = Saver(snapshot, tmp_path / "state")
    saving.start()
    saving.changed()
    assert tried.acquire(timeout=SOON)
    broken = False
    saving.close()
    assert (tmp_path / "state").read_bytes() == b"fine"
    assert "disk full" in caplog.text
