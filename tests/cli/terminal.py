"""Runs the command line as a person would, and keeps what it said."""

import io
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.api.platform import GOOD_KEY, SECRET
from tests.client.served import Served

from holdfast.__main__ import run


@dataclass(frozen=True)
class Said:
    """Exit code, result and remarks of one command."""

    code: int
    out: str
    err: str


class FakeTty(io.StringIO):
    """An input at which a person sits."""

    def isatty(self) -> bool:
        return True


@dataclass
class Terminal:
    """A terminal with the platform's address in its environment."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: str, types: str | None = None) -> Said:
        typed = io.StringIO("") if types is None else FakeTty(types)
        self.monkeypatch.setattr(sys, "stdin", typed)
        self.capsys.readouterr()
        code = run(list(words))
        out, err = self.capsys.readouterr()
        said = Said(code, out, err)
        assert "Traceback" not in said.err + said.out
        return said

    def points_to(self, served: Served, home: Path) -> None:
        for name in ("HOLDFAST_CA_FILE", "HOLDFAST_CONTEXT"):
            self.monkeypatch.delenv(name, raising=False)
        self.monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
        self.monkeypatch.setenv("HOLDFAST_URL", served.url)
        self.monkeypatch.setenv("HOLDFAST_TOKEN", served.token)
        self.monkeypatch.setenv("AWS_ACCESS_KEY_ID", GOOD_KEY)
        self.monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
