"""Forged and replayed call-backs over real HTTP, from another machine and from a pod."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from demo.site import Holding, Site

pytestmark = pytest.mark.timeout(200)

SPEAKER = (Path(__file__).parent / "speaker.py").read_text()
HEARTBEAT = {"kind": "heartbeat", "health": {}}

# In the network of a pod, with the machine's own Python: the way of the packets is the pod's.
AS_POD = 'exec nsenter -t $(pgrep -o -x busybox) -n "$@"'
ASK_TOKEN = """
import sys, urllib.request
request = urllib.request.Request("http://169.254.169.254/latest/api/token", method="PUT",
    headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"})
try:
    print("token", len(urllib.request.urlopen(request, timeout=3).read()))
except OSError as error:
    print("nothing:", error)
"""


@pytest.mark.fault("F57", "B")
def test_a_repeated_last_message_gets_the_same_answer_and_an_older_one_none(
    site: Site, basic: Holding
) -> None:
    machine = basic.nodes(role="worker")[0]["instanceId"]
    with _silent_agent(site, machine):
        first, second = _counter(), _counter() + 1
        answers = _speak(
            site,
            machine,
            {"counter": first, "body": HEARTBEAT},
            {"counter": first, "body": HEARTBEAT},
            {"counter": second, "body": HEARTBEAT},
            {"counter": first, "body": HEARTBEAT},
            {"counter": second, "body": {"kind": "joined", "seconds": 1.0, "nodeName": "x"}},
        )

    assert [answer["status"] for answer in answers] == [200, 200, 200, 403, 403]
    assert answers[0]["text"] == answers[1]["text"]


@pytest.mark.fault("F56", "B")
def test_what_is_forged_is_refused_without_effect_and_shown(site: Site, basic: Holding) -> None:
    forger, victim = basic.nodes(role="worker")[:2]
    before, nodes = basic.last_event(), {n["id"]: n["state"]["phase"] for n in basic.nodes()}
    nonce = _settings(site, victim["instanceId"])["nonce"]
    joined = {"kind": "joined", "seconds": 1.0, "nodeName": "forged"}
    notice = {"kind": "spot-notice", "action": "terminate", "time": "2026-01-01T00:00:00Z"}
    with _silent_agent(site, forger["instanceId"]):
        answers = _speak(
            site,
            forger["instanceId"],
            {"counter": _counter(), "body": notice, "machine": victim["id"]},
            {"counter": _counter(), "body": notice, "key": "fresh"},
            {"counter": _counter(), "body": HEARTBEAT, "tampered": joined},
            {"counter": _counter(), "body": joined, "machine": _other_uuid(victim["id"])},
            {"kind": "first-contact"},
            {"kind": "first-contact", "machine": victim["id"], "nonce": nonce},
        )

    assert [answer["status"] for answer in answers] == [403] * 6
    assert len({answer["text"] for answer in answers}) == 1, "a refusal tells nobody its reason"
    told = basic.events("CallBackRefused", after=before)
    assert {victim["name"], forger["name"]} <= {event["subject"] for event in told}
    assert {event["reason"] for event in basic.events(after=before)} == {"CallBackRefused"}
    assert {n["id"]: n["state"]["phase"] for n in basic.nodes()} == nodes


def test_the_genuine_machines_go_on(site: Site, basic: Holding) -> None:
    before = basic.last_event()
    machine = basic.nodes(role="worker")[0]["instanceId"]

    answers = _speak(site, machine, {"counter": _counter(), "body": HEARTBEAT})

    assert answers[0]["status"] == 200
    assert not basic.events("MachineLost", after=before)


@pytest.mark.fault("F19", "B")
def test_a_pod_gets_no_metadata_token_and_its_machine_does(site: Site, basic: Holding) -> None:
    basic.kubectl().deploy_web()
    machine = _machine_with_pod(basic)

    _, on_machine = site.execute(machine, "python3", "-c", ASK_TOKEN)
    _, in_pod = site.execute(machine, "sh", "-c", AS_POD, "as-pod", "python3", "-c", ASK_TOKEN)

    assert on_machine.startswith("token")
    assert in_pod.startswith("nothing"), in_pod


def test_a_forged_call_back_from_a_pod_is_refused(site: Site, basic: Holding) -> None:
    machine = _machine_with_pod(basic)
    message = {"counter": _counter(), "body": HEARTBEAT, "key": "fresh"}

    answers = _speak(site, machine, message, way=("sh", "-c", AS_POD, "as-pod"))

    assert [answer["status"] for answer in answers] == [403]


def _speak(
    site: Site, machine: str, *messages: dict[str, Any], way: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    command = (*way, "python3", "-c", SPEAKER, json.dumps(messages))
    code, output = site.execute(machine, *command, timeout=60)
    assert code == 0, output
    answers: list[dict[str, Any]] = json.loads(output.splitlines()[-1])
    return answers


def _counter() -> int:
    return int(time.time() * 1000)


def _settings(site: Site, machine: str) -> dict[str, str]:
    _, output = site.execute(machine, "cat", "/var/lib/holdfast-agent/settings.json")
    settings: dict[str, str] = json.loads(output)
    return settings


@contextmanager
def _silent_agent(site: Site, machine: str) -> Iterator[None]:
    """While the real agent speaks, no message would be the last one for long."""
    site.execute(machine, "systemctl", "stop", "holdfast-agent.service")
    try:
        yield
    finally:
        site.execute(machine, "systemctl", "start", "holdfast-agent.service")


def _other_uuid(known: str) -> str:
    return known[:-4] + ("0000" if known[-4:] != "0000" else "1111")


def _machine_with_pod(cluster: Holding) -> str:
    pods = cluster.kubectl().json("get", "pods", "--selector", "app=web")["items"]
    hosts = {pod["spec"].get("nodeName") for pod in pods if pod["status"]["phase"] == "Running"}
    return next(str(n["instanceId"]) for n in cluster.nodes(role="worker") if n["name"] in hosts)
