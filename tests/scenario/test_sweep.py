"""The crash sweep at its size for every day: a spread of effects and modes of each scenario.

Every effect is struck by `python -m benchmarks.crash_sweep`.
"""

import os

import pytest

from holdfast.simulation.scenarios import SCENARIOS
from holdfast.simulation.sweep import plan
from holdfast.simulation.sweep.tally import swept, told


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", SCENARIOS)
def test_swept(name: str) -> None:
    results = swept(name, 1, plan.CI, os.cpu_count() or 1)
    failed = [told(result) for result in results if not result.is_good]
    assert not failed, "\n\n".join([f"{len(failed)} of {len(results)} points", *failed[:3]])
