"""Fixtures of the agent's tests."""

from pathlib import Path

import pytest
from tests.agent.programs import Programs


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    return Programs(tmp_path, monkeypatch)
