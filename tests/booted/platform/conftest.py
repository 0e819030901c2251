"""Stages for the whole story on booted machines: one for most tests, own ones for rough play.

The order of the modules is chosen so that the tests up to the deletion share one basic cluster.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from demo.site import Holding, Site

from holdfast_sandbox.machines import image, probe

HERE = Path(__file__).parent
ORDER = (
    "test_use",
    "test_call_backs",
    "test_reboot",
    "test_heal",
    "test_outage",
    "test_spot",
    "test_secrets",
    "test_delete",
    "test_refusals",
    "test_crash",
    "test_sandbox_crash",
    "test_ha",
)
SPOT_NOTICE = "20"  # seconds from the notice to the end; the cloud's own two minutes are too long


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mine = [item for item in items if item.path.parent == HERE]
    for item in mine:
        item.add_marker(pytest.mark.booted)
    places = [index for index, item in enumerate(items) if item.path.parent == HERE]
    ordered = sorted(mine, key=lambda item: ORDER.index(item.path.stem))
    for place, item in zip(places, ordered, strict=True):
        items[place] = item


@pytest.fixture(scope="session", autouse=True)
def _machines_boot() -> None:
    """Skips all of it, with the one line that says why."""
    if reason := probe.missing(image.default_store()):
        pytest.skip(f"booted machines: skipped ({reason})")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, _machines_boot: None) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("site"), "--spot-notice", SPOT_NOTICE)
    yield made
    made.close()


@pytest.fixture(scope="session")
def shared_basic(site: Site) -> Holding:
    """The cluster that most tests use: as the preset basic, one of its workers a spot machine."""
    worker = {"cloud": "aws", "role": "worker", "shape": "small"}
    nodes = [
        {"cloud": "aws", "role": "master", "shape": "medium"},
        worker,
        worker,
        {**worker, "spotConfig": {"isSpot": True}},
    ]
    return site.create("basic", nodes=nodes)


@pytest.fixture
def basic(shared_basic: Holding) -> Holding:
    """The shared cluster, whole again whatever the test before it did."""
    shared_basic.wait_whole(120)
    return shared_basic


@pytest.fixture(scope="module")
def own_site(tmp_path_factory: pytest.TempPathFactory, _machines_boot: None) -> Iterator[Site]:
    """A stage that a module may kill and starve as it likes."""
    made = Site(tmp_path_factory.mktemp("own"), "--spot-notice", SPOT_NOTICE)
    yield made
    made.close()
