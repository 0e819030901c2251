"""The cloud's API is away for a minute: nothing is destroyed, the platform says why it waits."""

import pytest
from demo.site import Holding, Site

pytestmark = pytest.mark.timeout(240)

OUTAGE = 60.0  # seconds; many times the stage's consistency window


@pytest.mark.fault("F60", "B")
@pytest.mark.fault("F38", "B")
def test_an_outage_of_the_cloud_destroys_nothing(site: Site, basic: Holding) -> None:
    before, machines = basic.last_event(), {node["id"] for node in basic.nodes()}

    fault = site.control.fault("api-outage", seconds=OUTAGE)
    basic.reconcile()
    basic.wait("it says that the cloud does not answer", lambda: not _reachable(basic), 30)
    said = basic.conditions()["CloudReachable"]["message"]
    nodes = basic.kubectl().json("get", "nodes")["items"]
    basic.wait("the outage is over", lambda: _is_over(site, fault), OUTAGE + 5)
    basic.wait_whole(90)

    assert "Unavailable" in said or "503" in said
    assert len(nodes) == 4
    assert {node["id"] for node in basic.nodes()} == machines
    assert not basic.events("MachineLost", after=before)
    assert not basic.events("Delete", after=before)
    assert not basic.events("Create", after=before)


def _reachable(cluster: Holding) -> bool:
    return bool(cluster.conditions()["CloudReachable"]["status"])


def _is_over(site: Site, fault: str) -> bool:
    faults = site.control.get("/faults")["faults"]
    return any(one["id"] == fault and one["ended"] for one in faults)
