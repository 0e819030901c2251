"""The host of all machines fails at once (the sandbox is killed): the platform says what it knows.

Machines die with the sandbox's process, as with a region that loses power; its cloud remembers.
"""

import pytest
from demo.site import Holding, Site

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def cluster(own_site: Site) -> Holding:
    return own_site.create("blackout", preset="starter")


def test_all_machines_lost_is_said_and_nothing_foreign_is_made_of_it(
    own_site: Site, cluster: Holding
) -> None:
    cluster.wait_whole(150)
    machines = {node["instanceId"] for node in cluster.nodes()}

    own_site.stage.kill("sandbox")
    own_site.start_sandbox()
    cluster.wait("both losses are told", lambda: len(cluster.events("MachineLost")) >= 2, 90)
    cluster.wait("it says what must be done", lambda: "snapshot" in cluster.words(), 60)

    running = own_site.control.get("/status")["machines"]
    assert not machines & {i for i, one in running.items() if one["state"] == "running"}
    names = [(t["kind"], t["tags"]["holdfast:name"]) for t in cluster.truth()]
    assert len(names) == len(set(names))
    assert cluster.status == "warning"


def test_it_can_still_be_deleted(own_site: Site, cluster: Holding) -> None:
    cluster.delete()

    assert cluster.truth() == []
    left = own_site.control.get("/status")["machines"].values()
    assert [one for one in left if one["state"] == "running"] == []
