"""A spot machine is announced to go: its replacement is asked for at once, no ghost stays."""

import pytest
from demo.site import Holding, Site

pytestmark = pytest.mark.timeout(240)


def test_a_spot_notice_brings_a_replacement_before_the_machine_goes(
    site: Site, basic: Holding
) -> None:
    basic.kubectl().deploy_web()
    (victim,) = [node for node in basic.nodes(phase="ready") if node["spotConfig"]["isSpot"]]
    before = basic.last_event()

    site.control.fault("spot-notice", target=victim["instanceId"])
    basic.wait("the notice arrives", lambda: basic.events("MachineInterrupted", after=before), 20)
    basic.wait("a replacement is chosen", lambda: basic.events("MachineChosen", after=before), 10)
    still = [node for node in basic.nodes() if node["id"] == victim["id"]]
    basic.wait("its pods are elsewhere", lambda: not _web_pods_on(basic, victim["name"]), 20)
    basic.wait("the machine is gone", lambda: basic.events("MachineGone", after=before), 60)
    basic.wait_whole(120)

    assert still[0]["state"]["phase"] in {"ready", "unknown", "not-ready"}
    names = {node["metadata"]["name"] for node in basic.kubectl().json("get", "nodes")["items"]}
    assert victim["name"] not in names
    assert len(names) == 4
    drained = basic.events("Drain", victim["name"], before)
    assert 1 <= len(drained) <= 3, "a drain is told when it happens, not at every pass"


def _web_pods_on(cluster: Holding, node: str) -> int:
    pods = cluster.kubectl().json("get", "pods", "--selector", "app=web")["items"]
    return sum(
        pod["spec"].get("nodeName") == node and "deletionTimestamp" not in pod["metadata"]
        for pod in pods
    )
