"""Losses behind the platform's back are noticed, explained, healed; the workload answers."""

import pytest
from demo.kubectl import Probe
from demo.site import Holding, Site

pytestmark = pytest.mark.timeout(240)

RULE = "aws/rule/worker/node-ports-udp"


def test_a_killed_worker_and_a_deleted_rule_are_noticed_and_healed(
    site: Site, basic: Holding
) -> None:
    basic.kubectl().deploy_web()
    basic.wait_settled()
    victim, witness = [
        node for node in basic.nodes(role="worker") if not node["spotConfig"]["isSpot"]
    ][:2]
    before = basic.last_event()
    probe = Probe(witness["network"]["publicIp"], site.proxy)
    probe.start()
    try:
        site.control.fault("machine-kill", target=victim["instanceId"])
        _delete_rule(site, basic)
        noticed = basic.wait(
            "the loss is told", lambda: basic.events("MachineLost", victim["name"], before), 40
        )
        basic.wait("the rule is made again", lambda: basic.events("Create", RULE, before), 40)
        basic.wait_whole(120)
    finally:
        probe.stop()

    lost = basic.events("MachineLost", victim["name"], before)
    assert noticed < 40
    assert len(lost) == 1
    assert "the cloud says" in lost[0]["message"]
    assert victim["id"] not in {node["id"] for node in basic.nodes(phase="ready")}
    names = {node["metadata"]["name"] for node in basic.kubectl().json("get", "nodes")["items"]}
    assert victim["name"] not in names
    assert len(names) == 4
    assert _rules(site, basic)
    assert probe.requests > 10
    assert probe.failed < 0.5 * probe.requests


def test_healing_made_one_machine_and_no_second(site: Site, basic: Holding) -> None:
    machines = [thing for thing in basic.truth() if thing["kind"] == "instance"]
    names = [(thing["kind"], thing["tags"]["holdfast:name"]) for thing in basic.truth()]

    assert len(machines) == 4
    assert len(names) == len(set(names))


def _filters(cluster: str) -> list[dict[str, object]]:
    return [
        {"Name": "tag:holdfast:name", "Values": [RULE]},
        {"Name": "tag:holdfast:cluster", "Values": [cluster]},
    ]


def _rules(site: Site, cluster: Holding) -> list[dict[str, str]]:
    with site.ec2() as ec2:
        answer = ec2.describe_security_group_rules(Filters=_filters(cluster.id))
    rules: list[dict[str, str]] = answer["SecurityGroupRules"]
    return rules


def _delete_rule(site: Site, cluster: Holding) -> None:
    (rule,) = _rules(site, cluster)
    with site.ec2() as ec2:
        ec2.revoke_security_group_ingress(
            GroupId=rule["GroupId"], SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]]
        )
