"""Writes down how the tests end that are marked with a fault: docs/faults.md shows it."""

from collections.abc import Generator

import pytest
from tests.fault_table import outcomes

RAN = pytest.StashKey[dict[str, str]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """The call of a test, or what kept it from being called."""
    report = yield
    if item.get_closest_marker("fault") and (report.when == "call" or not report.passed):
        ran = item.config.stash.setdefault(RAN, {})
        test = item.nodeid.partition("[")[0]
        ran[test] = outcomes.worse(ran.get(test, "passed"), report.outcome)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Once, at the end of the run."""
    if ran := session.config.stash.get(RAN, None):
        outcomes.keep(ran)
