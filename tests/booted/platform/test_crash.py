"""The platform is killed at seeded moments of create, heal and delete, and started again.

After each of them: nothing twice, nothing without a record, and the same cluster as without a
crash.
"""

import random
import time
from collections import Counter

import pytest
from demo.site import Holding, Site

from holdfast.client import calls

pytestmark = pytest.mark.timeout(400)

SEED = 20260
LIMIT = 180.0
KILLS = {"create": (3, 9.0), "heal": (2, 9.0), "delete": (2, 3.0)}  # how many, within seconds each

# What can carry tags, in the platform's words; parts of a machine go with it, in the cloud's words.
TAGGED = {
    "virtual machine",
    "network",
    "subnet",
    "gateway",
    "route table",
    "firewall group",
    "firewall rule",
    "address",
}
PARTS = {"volume", "network-interface"}


@pytest.fixture(scope="module")
def chance() -> random.Random:
    return random.Random(SEED)


@pytest.fixture(scope="module")
def cluster(own_site: Site, chance: random.Random) -> Holding:
    """A starter cluster whose making is cut off again and again."""
    made = own_site.create("phoenix", preset="starter")
    _kill_and_start(own_site, chance, "create")
    return made


@pytest.mark.fault("F01", "B")
def test_a_create_that_is_cut_off_makes_everything_once(own_site: Site, cluster: Holding) -> None:
    cluster.wait_whole(LIMIT)

    assert len(cluster.nodes()) == 2
    assert len(cluster.kubectl().json("get", "nodes")["items"]) == 2
    _compare(own_site, cluster)


def test_a_heal_that_is_cut_off_makes_one_replacement(
    own_site: Site, cluster: Holding, chance: random.Random
) -> None:
    (worker,) = cluster.nodes(role="worker", phase="ready")

    own_site.control.fault("machine-kill", target=worker["instanceId"])
    _kill_and_start(own_site, chance, "heal")
    cluster.wait("the loss is told", lambda: cluster.events("MachineLost", worker["name"]), 60)
    cluster.wait_whole(LIMIT)

    assert worker["id"] not in {node["id"] for node in cluster.nodes(phase="ready")}
    assert len(cluster.kubectl().json("get", "nodes")["items"]) == 2
    assert len(cluster.events("MachineLost", worker["name"])) == 1
    _compare(own_site, cluster)


def test_a_restart_while_a_machine_joins_only_delays_it(own_site: Site, cluster: Holding) -> None:
    (worker,) = cluster.nodes(role="worker", phase="ready")
    before = cluster.last_event()

    own_site.control.fault("machine-kill", target=worker["instanceId"])
    cluster.wait("one joins", lambda: cluster.events("MachineJoining", after=before), 90)
    own_site.stage.stop("platform")
    own_site.start_platform()
    cluster.wait_whole(LIMIT)

    assert len(cluster.events("MachineJoined", after=before)) == 1
    _compare(own_site, cluster)


def test_a_delete_that_is_cut_off_leaves_nothing(
    own_site: Site, cluster: Holding, chance: random.Random
) -> None:
    cluster.ask_delete()
    _kill_and_start(own_site, chance, "delete")
    cluster.wait("the deletion is confirmed", lambda: cluster.certificate_is("confirmed"), LIMIT)

    assert cluster.truth() == []
    left = own_site.control.get("/truth")["things"]
    assert [thing for thing in left if "holdfast:cluster" in thing["tags"]] == []


def _kill_and_start(site: Site, chance: random.Random, what: str) -> None:
    """As a crash: no signal handler, no last word. The moment is the seed's, not a condition's."""
    times, within = KILLS[what]
    for _ in range(times):
        time.sleep(chance.uniform(0.2, within))
        site.stage.kill("platform")
        site.start_platform()


def _compare(site: Site, cluster: Holding) -> None:
    """The sandbox's truth and the platform's records are the same things, each once."""
    truth = [thing for thing in cluster.truth() if thing["state"] != "shutting-down"]
    names = Counter((thing["kind"], thing["tags"]["holdfast:name"]) for thing in truth)
    assert [name for name, count in names.items() if count > 1] == []
    items = site.client.json(calls.list_resources(cluster.id))["items"]
    recorded = [thing for thing in items if thing.get("removedAt") is None]
    found = {t["id"]: t["tags"]["holdfast:name"] for t in truth if t["kind"] not in PARTS}
    assert found == {thing["id"]: thing["name"] for thing in recorded if thing["kind"] in TAGGED}
    assert {name for _, name in names} <= {thing["name"] for thing in recorded}
