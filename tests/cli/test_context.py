"""Where the platform is: environment over file, and a file that only its owner reads."""

from pathlib import Path

import pytest

from holdfast.cli import context
from holdfast.cli.context import Context
from holdfast.cli.exits import Failure, Usage

NAMES = ("HOLDFAST_URL", "HOLDFAST_TOKEN", "HOLDFAST_CA_FILE")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "deep" / "context.toml"
    monkeypatch.setenv("HOLDFAST_CONTEXT", str(path))
    return path


def test_a_saved_context_comes_back_and_is_private(file: Path) -> None:
    saved = Context("https://h:8443", 'hf_"quoted"\\', Path("/ca.pem"))
    context.save(file, saved)
    assert context.load() == saved
    assert file.stat().st_mode & 0o777 == 0o600


def test_saving_again_replaces_it(file: Path) -> None:
    context.save(file, Context("https://old", "t"))
    context.save(file, Context("https://new", "t"))
    assert context.load() == Context("https://new", "t", None)
    assert [path.name for path in file.parent.iterdir()] == ["context.toml"]


def test_the_environment_wins(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context.save(file, Context("https://file", "file-token"))
    monkeypatch.setenv("HOLDFAST_URL", "https://environment")
    assert context.load() == Context("https://environment", "file-token", None)


def test_a_file_that_others_may_read_is_refused(file: Path) -> None:
    context.save(file, Context("https://h", "t"))
    file.chmod(0o640)
    with pytest.raises(Failure, match="chmod 600"):
        context.load()


def test_a_file_that_is_no_toml_is_named(file: Path) -> None:
    context.save(file, Context("https://h", "t"))
    file.write_text("url = ")
    with pytest.raises(Failure, match=r"context\.toml"):
        context.load()


def test_nothing_at_all_says_what_to_set(file: Path) -> None:
    with pytest.raises(Usage, match=f"HOLDFAST_URL.*{file.name}"):
        context.load()
