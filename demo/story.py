"""The story: a cluster is planned, made, used, hurt, healed and deleted, with proofs.

Every number comes from the platform, the real kubectl, or the sandbox asked independently.
"""

import shutil
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3
from rich.console import Console
from rich.table import Table

from demo.follow import Follower, cluster_of, nodes_of
from demo.kubectl import NODE_PORT, Kubectl, KubectlError, Probe, read_page
from demo.report import ClaimFailed, Report
from demo.stage import Sandbox, StageError, ready_files, staged
from holdfast.client import calls
from holdfast.client.errors import ClientError, NotFound
from holdfast.client.sync import Client
from holdfast.wire.cluster import ClusterRequest

REGION = "eu-central-1"
RULE = "aws/rule/worker/node-ports-udp"


@dataclass(slots=True)
class Scene:
    """What every chapter needs."""

    report: Report
    sandbox: Sandbox
    client: Client
    directory: Path
    cluster: str = ""
    follower: Follower | None = None

    def follow(self) -> Follower:
        """The follower of the cluster."""
        if self.follower is None:
            self.follower = Follower(self.client, self.cluster, self.report)
        return self.follower


def tell(directory: Path, report_file: Path) -> int:
    """Tell the story; 0 if every claim held. The report is written in any case."""
    report = Report(Console())
    clear(directory)
    ok = False
    try:
        with staged(directory) as stage:
            with report.step("start", "Starting the sandbox cloud and the platform"):
                sandbox = stage.sandbox()
                platform = stage.platform(sandbox)
                report.say(f"AWS API at {sandbox.ready['aws']}, platform at {platform.url}")
            scene = Scene(report, sandbox, platform.client(), directory)
            for chapter in (_credentials, _create, _use, _hurt, _blocked_delete, _end):
                chapter(scene)
            if scene.follower is not None:
                scene.follower.stop()
        ok = True
        report.console.print("\n[bold green]Every claim held.[/bold green]")
    except ClaimFailed as failure:
        report.console.print(f"\n[bold red]A claim did not hold:[/bold red] {failure}")
        report.say(f"logs: {directory}/platform.log, {directory}/sandbox.log")
    except (ClientError, KubectlError, OSError) as error:
        report.console.print(f"\n[bold red]It went wrong:[/bold red] {error}")
    finally:
        report.write(report_file, ok=ok)
        report.say(f"report: {report_file}")
    return 0 if ok else 1


def clear(directory: Path) -> None:
    """Forget an earlier telling. Raises StageError while one is still running."""
    running = [f"{name} (pid {pid})" for name, pid in ready_files(directory)]
    if running:
        raise StageError(f"{directory} is in use by {', '.join(running)}")
    shutil.rmtree(directory, ignore_errors=True)


def _credentials(scene: Scene) -> None:
    report, keys = scene.report, scene.sandbox.ready["credentials"]
    with report.step("credentials", "Storing AWS credentials, checked first"):
        secret = {k: keys[k] for k in ("accessKeyId", "secretAccessKey")}
        added = scene.client.json(calls.add_credentials("sandbox", "aws", secret))
        check = added["check"]
        report.say(f"account {check['accountId']}, {check['principal']}")
        report.claim("no permission is lacking", not check["missingPermissions"])


def _create(scene: Scene) -> None:
    report, client = scene.report, scene.client
    credentials = client.json(calls.list_credentials())["items"][0]["id"]
    request = ClusterRequest.model_validate(
        {
            "name": "demo",
            "region": "eu-central",
            "cloudCredentialsIDs": [credentials],
            "preset": "basic",
        }
    )
    with report.step("plan", "The plan of a basic cluster: what it will be and cost"):
        _show_plan(report, _previewed(scene, request))
    with report.step("create", "Creating it"):
        began = time.monotonic()
        scene.cluster = client.json(calls.create_cluster(request))["id"]
        follower = scene.follow()
        follower.wait("the cluster is ready", partial(_is, scene, "ready"), 180)
        report.numbers["create_to_ready_seconds"] = round(time.monotonic() - began, 2)


def _is(scene: Scene, status: str) -> bool:
    return bool(cluster_of(scene.client, scene.cluster)["status"] == status)


def _previewed(scene: Scene, request: ClusterRequest) -> dict[str, Any]:
    """The preview; the catalogue of a new account may take a moment."""
    began = time.monotonic()
    while True:
        found: dict[str, Any] = scene.client.json(calls.preview_cluster(request))
        if not found["violations"] or time.monotonic() - began > 30:
            break
        time.sleep(0.2)
    scene.report.claim("quotas allow it and everything is on sale", not found["violations"])
    return found


def _show_plan(report: Report, found: dict[str, Any]) -> None:
    table = Table("role", "offering", "zone", "vCPU", "GiB", "USD/h")
    for machine in found["machines"]:
        table.add_row(
            machine["role"],
            machine["instanceType"],
            machine["zone"],
            str(machine["cpus"]),
            f"{machine['memoryMib'] / 1024:g}",
            machine["price"]["hourly"],
        )
    report.console.print(table)
    total = found["cost"]["total"]
    report.say(f"with disks and addresses: {total['hourly']} USD/h, {total['monthly']} USD/month")
    report.numbers["price_hourly_usd"] = float(total["hourly"])
    report.numbers["machines_planned"] = len(found["machines"])


def _use(scene: Scene) -> None:
    report, client = scene.report, scene.client
    with report.step("use", "Using it: the real kubectl, a web workload, a page"):
        path = scene.directory / "kubeconfig"
        path.touch(mode=0o600)
        path.write_text(client.call(calls.get_kubeconfig(scene.cluster)))
        kubectl = Kubectl(path, cluster_of(client, scene.cluster)["kubernetesVersion"])
        report.console.print(kubectl.run("get", "nodes"), highlight=False, soft_wrap=True)
        ready = _ready_nodes(kubectl)
        report.numbers["nodes_ready"] = ready
        report.claim(f"{ready} nodes are Ready", ready == 4)
        kubectl.deploy_web()
        address = _workers(scene)[0]["network"]["publicIp"]
        began = scene.follow().wait("the Service answers", partial(_page, scene, address), 30)
        page = _page(scene, address)
        report.claim(f"a page through the Service: {page.strip()[:60]}", "It works" in page)
        report.say(f"the node port answered {began:.1f} s after the rollout")


def _page(scene: Scene, address: str) -> str:
    """The page, or nothing while kube-proxy has not programmed the node port."""
    try:
        return read_page(address, NODE_PORT, _proxy(scene))
    except OSError:
        return ""


def _ready_nodes(kubectl: Kubectl) -> int:
    nodes = kubectl.json("get", "nodes")["items"]
    return sum(
        any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"]["conditions"])
        for node in nodes
    )


def _hurt(scene: Scene) -> None:
    """A worker's VM is killed and a firewall rule deleted at the cloud, past the platform."""
    report, follower = scene.report, scene.follow()
    victim, witness = _workers(scene)[:2]
    probe = Probe(witness["network"]["publicIp"], _proxy(scene))
    probe.start()
    try:
        with report.step("heal", "Hurting it behind the platform's back"):
            report.say(f"killing {victim['name']} and deleting the rule {RULE}")
            began = time.monotonic()
            scene.sandbox.control.fault("machine-kill", target=victim["instanceId"])
            _delete_rule(scene)
            follower.wait(
                "the loss is noticed", partial(follower.has, "MachineLost", victim["name"]), 60
            )
            report.numbers["noticed_seconds"] = round(time.monotonic() - began, 2)
            follower.wait("the rule is back", partial(follower.has, "Create", RULE), 60)
            follower.wait("four nodes are ready again", partial(_healed, scene, victim), 120)
            report.numbers["healed_seconds"] = round(time.monotonic() - began, 2)
    finally:
        probe.stop()
    report.numbers["requests"] = probe.requests
    report.numbers["request_attempts_failed"] = probe.attempts_failed
    report.numbers["requests_failed"] = probe.failed
    report.say(
        f"meanwhile the page was asked for {probe.requests} times: {probe.attempts_failed} tries "
        f"failed, {probe.failed} requests failed after one retry"
    )
    answered = probe.requests - probe.failed
    report.claim("the workload kept answering", answered > 0.5 * probe.requests)


def _healed(scene: Scene, victim: dict[str, Any]) -> bool:
    nodes = nodes_of(scene.client, scene.cluster)
    ready = {n["id"] for n in nodes if n["state"]["phase"] == "ready"}
    status = cluster_of(scene.client, scene.cluster)["status"]
    return len(ready) == 4 and victim["id"] not in ready and status == "ready"


def _ec2(scene: Scene) -> Any:
    keys = scene.sandbox.ready["credentials"]
    return boto3.client(
        "ec2",
        region_name=REGION,
        endpoint_url=scene.sandbox.ready["aws"],
        aws_access_key_id=keys["accessKeyId"],
        aws_secret_access_key=keys["secretAccessKey"],
    )


def _ours(scene: Scene, name: str) -> list[dict[str, Any]]:
    return [
        {"Name": "tag:holdfast:name", "Values": [name]},
        {"Name": "tag:holdfast:cluster", "Values": [scene.cluster]},
    ]


def _delete_rule(scene: Scene) -> None:
    ec2 = _ec2(scene)
    found = ec2.describe_security_group_rules(Filters=_ours(scene, RULE))["SecurityGroupRules"]
    ec2.revoke_security_group_ingress(
        GroupId=found[0]["GroupId"], SecurityGroupRuleIds=[found[0]["SecurityGroupRuleId"]]
    )


def _blocked_delete(scene: Scene) -> None:
    """Somebody else's VM stands in the cluster's security group: the delete must fail visibly."""
    report, client, follower = scene.report, scene.client, scene.follow()
    with report.step("blocked_delete", "Deleting it with a foreign VM in the way"):
        groups = _ec2(scene).describe_security_groups(Filters=_ours(scene, "aws/firewall/worker"))
        group = groups["SecurityGroups"][0]["GroupId"]
        body = {"security_group": group, "name": "somebody-elses"}
        foreign = str(scene.sandbox.control.post("/foreign-vm", body)["id"])
        report.say(f"foreign VM {foreign} runs in our group {group}")
        client.call(calls.delete_cluster(scene.cluster))
        follower.wait("the delete fails visibly", partial(_is, scene, "failed"), 60)
        words = [c["message"] for c in cluster_of(client, scene.cluster)["conditions"]]
        report.claim(f"it names the blocker {foreign}", any(foreign in text for text in words))
        left = scene.sandbox.control.truth(scene.cluster)
        held = sorted(thing["kind"] for thing in left)
        report.numbers["things_held_by_the_foreign_vm"] = len(left)
        report.claim(f"only what it holds is left: {', '.join(held)}", len(left) <= 4)
        alive = [t for t in scene.sandbox.control.get("/truth")["things"] if t["id"] == foreign]
        report.claim("the foreign VM was not touched", bool(alive))
        scene.sandbox.control.delete(f"/foreign-vm/{foreign}")
        report.say(f"foreign VM {foreign} is removed by its owner")


def _end(scene: Scene) -> None:
    report, client, follower = scene.report, scene.client, scene.follow()
    with report.step("delete", "The delete ends"):
        client.call(calls.delete_cluster(scene.cluster))
        began = time.monotonic()
        follower.wait("a provisional certificate", partial(_certificate, scene), 60)
        report.numbers["provisional_seconds"] = round(time.monotonic() - began, 2)
        follower.wait(
            "a confirmed certificate",
            lambda: (_certificate(scene) or {}).get("state") == "confirmed",
            limit=60,
        )
        certificate = _certificate(scene) or {}
        report.say(
            f"deletion certificate {certificate['state']}: {len(certificate['removed'])} things "
            f"removed, {len(certificate['listings'])} empty listings, "
            f"signature {certificate['signature'][:16]}…"
        )
        left = scene.sandbox.control.truth(scene.cluster)
        report.numbers["things_removed"] = len(certificate["removed"])
        report.numbers["things_left"] = len(left)
        report.claim(f"the cloud still holds with our tag: {len(left)}", not left)
        report.numbers["actions"] = sum(
            e["reason"] in {"Create", "Delete", "DeleteNode"} for e in follower.events
        )


def _certificate(scene: Scene) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = scene.client.json(calls.get_certificate(scene.cluster))
    except NotFound:
        return None
    return found


def _workers(scene: Scene) -> list[dict[str, Any]]:
    nodes = nodes_of(scene.client, scene.cluster)
    return [n for n in nodes if n["role"] == "worker" and n["state"]["phase"] == "ready"]


def _proxy(scene: Scene) -> str:
    return str(scene.sandbox.ready["proxy"])
