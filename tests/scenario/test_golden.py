"""What the platform does is what the golden transcripts say; `make golden` writes them anew."""

import pytest
from tests.scenario import golden


@pytest.mark.parametrize("name", golden.NAMES)
def test_golden(name: str) -> None:
    assert golden.transcript(name) == golden.path(name).read_text()
