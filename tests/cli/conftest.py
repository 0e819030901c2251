"""A served platform and a terminal that points to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from tests.cli.terminal import Terminal
from tests.client.served import Served, a_served_platform


@pytest.fixture
def served() -> Iterator[Served]:
    """Its log stays silent: it shares its outputs with the commands under test."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    with a_served_platform() as found:
        yield found
    structlog.reset_defaults()


@pytest.fixture
def terminal(
    served: Served,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Terminal:
    found = Terminal(monkeypatch, capsys)
    found.points_to(served, tmp_path)
    return found
