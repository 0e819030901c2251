"""Restarts: of a machine by its cloud, and of the platform; nothing is replaced for either."""

import pytest
from demo.site import Holding, Site, wait_until

pytestmark = pytest.mark.timeout(200)


def test_a_machine_survives_its_reboot_with_agent_and_node(site: Site, basic: Holding) -> None:
    node = basic.nodes(role="worker")[0]
    machine, before = node["instanceId"], basic.last_event()
    process = _process(site, machine)

    with site.ec2() as ec2:
        ec2.reboot_instances(InstanceIds=[machine])
    wait_until("the machine boots anew", lambda: _process(site, machine) not in {None, process}, 30)
    wait_until("its agent runs again", lambda: _agent_runs(site, machine), 60)
    basic.wait_whole(90)

    after = [n for n in basic.nodes() if n["id"] == node["id"]]
    assert [n["instanceId"] for n in after] == [machine]
    assert after[0]["state"]["phase"] == "ready"
    assert not basic.events("MachineLost", after=before)
    assert not basic.events("CallBackRefused", after=before)


def test_a_restart_of_the_platform_changes_nothing_at_the_cloud(site: Site, basic: Holding) -> None:
    before, newest = basic.last_event(), _last_call(site)
    url = site.platform.url

    site.stage.stop("platform")
    site.start_platform()
    reconciled = basic.now()["reconciledAt"]
    basic.reconcile()
    basic.wait("a pass after the restart", lambda: basic.now()["reconciledAt"] != reconciled, 30)
    basic.wait_whole(60)

    assert site.platform.url == url
    assert _last_call(site) == newest
    assert not basic.events("MachineLost", after=before)


def _process(site: Site, machine: str) -> int | None:
    status = site.control.get("/status")["machines"].get(machine, {})
    return status.get("pid") if status.get("state") == "running" else None


def _agent_runs(site: Site, machine: str) -> bool:
    code, _ = site.execute(machine, "systemctl", "is-active", "--quiet", "holdfast-agent.service")
    return code == 0


def _last_call(site: Site) -> int:
    after = 0
    while True:
        page = site.control.get(f"/calls?after={after}&limit=1000")
        if page["calls"]:
            after = page["calls"][-1]["number"]
        if page["next"] is None:
            return int(after)
