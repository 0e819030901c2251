"""No secret of the run is found where it does not belong (invariant I8)."""

import base64
import json
import re
from collections.abc import Iterator, Mapping

import pytest
import yaml
from demo.site import Holding, Site

from holdfast.client import calls

pytestmark = pytest.mark.timeout(200)

KEYS = "find /etc/kubernetes/pki /var/lib/holdfast-agent -name '*.key' -o -name key.pem"
CONSOLE_END = 200_000  # characters


@pytest.mark.fault("F18", "B")
def test_no_secret_is_in_logs_events_user_data_or_the_database(site: Site, basic: Holding) -> None:
    secrets = dict(_secrets(site, basic))
    assert len(secrets) > 20, "the run has keys, tokens and nonces to look for"

    found = [
        f"{name} in {where}"
        for where, text in _places(site, basic)
        for name, secret in secrets.items()
        if secret in text and not (where.startswith("user data") and name.startswith("nonce"))
    ]

    assert found == []


def test_the_search_finds_a_secret_where_it_does_belong(site: Site, basic: Holding) -> None:
    secrets = dict(_secrets(site, basic))
    machine = basic.nodes(role="worker")[0]["instanceId"]
    data = _user_data(site, machine)

    assert any(name.startswith("nonce") and secret in data for name, secret in secrets.items())


def _secrets(site: Site, cluster: Holding) -> Iterator[tuple[str, bytes]]:
    """Name and telling part of every secret: of a key its second line, which no format breaks."""
    yield "cloud secret key", site.keys["secretAccessKey"].encode()
    yield "API token", site.platform.token.encode()
    user = yaml.safe_load(cluster.kubeconfig())["users"][0]["user"]
    yield "kubeconfig key", _telling(base64.b64decode(user["client-key-data"]).decode())
    for node in cluster.nodes():
        yield from _of_machine(site, node)
    tokens = cluster.kubectl().json("get", "secrets", "--namespace", "kube-system")["items"]
    for secret in tokens:
        if secret["type"] == "bootstrap.kubernetes.io/token":
            data = secret["data"]["token-secret"]
            yield f"join token {secret['metadata']['name']}", base64.b64decode(data)


def _of_machine(site: Site, node: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    machine, name = node["instanceId"], node["name"]
    settings = _inside(site, machine, "cat /var/lib/holdfast-agent/settings.json")
    yield f"nonce of {name}", json.loads(settings)["nonce"].encode()
    for path in _inside(site, machine, KEYS).split():
        yield f"{path} of {name}", _telling(_inside(site, machine, f"cat {path}"))


def _telling(pem: str) -> bytes:
    """A line of the key itself: the first one has the algorithm, which all keys share."""
    lines = [line for line in pem.splitlines() if line and "-----" not in line]
    return (lines[1] if len(lines) > 1 else lines[0][-40:]).encode()


def _places(site: Site, cluster: Holding) -> Iterator[tuple[str, bytes]]:
    for name in ("platform", "sandbox"):
        yield f"log of the {name}", site.stage.log(name).read_bytes()
    yield "events", json.dumps(cluster.events()).encode()
    yield "feedback", json.dumps(site.client.json(calls.list_feedback(cluster.id))).encode()
    yield "cluster", json.dumps(cluster.now()).encode()
    yield "plan", json.dumps(site.client.json(calls.get_plan(cluster.id))).encode()
    for file in sorted((site.stage.directory / "platform").glob("holdfast.db*")):
        yield f"database file {file.name}", file.read_bytes()
    for node in cluster.nodes():
        machine = node["instanceId"]
        yield f"user data of {node['name']}", _user_data(site, machine)
        console = site.control.get(f"/machines/{machine}/console")["console"]
        yield f"console of {node['name']}", str(console)[-CONSOLE_END:].encode()
        journal = "journalctl --no-pager --unit holdfast-agent --unit holdfast-forward"
        yield f"journal of {node['name']}", _inside(site, machine, journal).encode()


def _user_data(site: Site, machine: str) -> bytes:
    with site.ec2() as ec2:
        answer = ec2.describe_instance_attribute(InstanceId=machine, Attribute="userData")
    text = base64.b64decode(answer["UserData"]["Value"])
    assert re.search(rb"holdfast-agent", text)
    return text


def _inside(site: Site, machine: str, script: str) -> str:
    code, output = site.execute(machine, "sh", "-c", script)
    assert code == 0, output
    return output
