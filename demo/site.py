"""A stage with people at work on it: one client, clusters that are made, looked at and deleted.

Booted tests and benchmarks use it; nothing here asserts, everything that does not happen in time
is a TimeoutError that says what was awaited and what the platform said meanwhile.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from demo.control import Control
from demo.kubectl import Kubectl
from demo.stage import Platform, Sandbox, Stage
from holdfast.client import calls
from holdfast.client.errors import ClientError, NotFound
from holdfast.client.sync import Client
from holdfast.wire.cluster import ClusterRequest

REGION = "eu-central-1"
REGION_GROUP = "eu-central"
LOOK = 0.15  # seconds between two looks at something awaited

Json = dict[str, Any]


class Site:
    """One sandbox and one platform, with credentials added when they are first needed."""

    def __init__(self, directory: Path, *options: str, **settings: str) -> None:
        """Start both. `options` are the sandbox's, `settings` the platform's. Raises StageError."""
        self.stage = Stage(directory)
        self._options, self._settings = options, settings
        self._credentials = ""
        try:
            self.sandbox: Sandbox = self.stage.sandbox(*options)
            self.platform: Platform = self.stage.platform(self.sandbox, **settings)
        except BaseException:
            self.stage.close()
            raise

    @property
    def client(self) -> Client:
        """A client with the first token."""
        return self.platform.client()

    @property
    def control(self) -> Control:
        """The sandbox's control API."""
        return self.sandbox.control

    @property
    def proxy(self) -> str:
        """The way to public addresses of the sandbox."""
        return str(self.sandbox.ready["proxy"])

    @property
    def keys(self) -> dict[str, str]:
        """The account's keys, as `credentials add` takes them."""
        given = self.sandbox.ready["credentials"]
        return {name: given[name] for name in ("accessKeyId", "secretAccessKey")}

    def close(self) -> None:
        """End both."""
        self.stage.close()

    def start_platform(self) -> None:
        """Start the platform on its old data, at its old port."""
        self.platform = self.stage.platform(self.sandbox, **self._settings)

    def start_sandbox(self) -> None:
        """Start the sandbox on its old state, at its old ports."""
        self.sandbox = self.stage.sandbox(*self._options)

    def credentials(self) -> str:
        """The id of the account's credentials, checked and with a catalogue."""
        if not self._credentials:
            added = self.client.json(calls.add_credentials("sandbox", "aws", self.keys))
            self._credentials = added["id"]
            self.await_catalogue()
        return self._credentials

    def request(self, name: str, **more: Any) -> ClusterRequest:
        """What is sent for a new cluster: `preset` or `nodes`, and whatever else it shall say."""
        if "cloudCredentialsIDs" not in more:
            more["cloudCredentialsIDs"] = [self.credentials()]
        wanted = {"name": name, "region": REGION_GROUP, **more}
        return ClusterRequest.model_validate(wanted)

    def await_catalogue(self) -> None:
        """Wait until a new account's catalogue is there: a small cluster has no violations."""
        request = self.request("first-look", preset="starter")
        wait_until(
            "the catalogue is there",
            lambda: not self.client.json(calls.preview_cluster(request))["violations"],
            60,
        )

    def create(self, name: str, **more: Any) -> "Holding":
        """Have a cluster made. Raises Refused when it can't be."""
        request = self.request(name, **more)
        return Holding(self, self.client.json(calls.create_cluster(request))["id"])

    @contextmanager
    def ec2(self) -> Iterator[Any]:
        """The cloud's own API, past the platform."""
        with _closing(self._ec2()) as client:
            yield client

    def execute(self, machine: str, *command: str, timeout: float = 30) -> tuple[int, str]:
        """Run a command inside a machine: exit code and output. `machine` is an instance id."""
        body = {"command": list(command), "timeout": timeout}
        done = self.control.post(f"/machines/{machine}/exec", body)
        return int(done["code"]), str(done["output"])

    def _ec2(self) -> Any:
        return boto3.client(
            "ec2",
            region_name=REGION,
            endpoint_url=self.sandbox.ready["aws"],
            aws_access_key_id=self.keys["accessKeyId"],
            aws_secret_access_key=self.keys["secretAccessKey"],
            config=Config(retries={"total_max_attempts": 1}),
        )


@contextmanager
def _closing(client: Any) -> Iterator[Any]:
    try:
        yield client
    finally:
        client.close()


@dataclass(frozen=True, slots=True)
class Holding:
    """A cluster that the platform holds."""

    site: Site
    id: str

    def now(self) -> Json:
        """The cluster as the API shows it."""
        found: Json = self.site.client.json(calls.get_cluster(self.id))
        return found

    @property
    def status(self) -> str:
        """v1's status."""
        return str(self.now()["status"])

    def nodes(self, role: str = "", phase: str = "") -> list[Json]:
        """Its nodes; `role` is master or worker, `phase` as v1 says it."""
        items: list[Json] = self.site.client.json(calls.list_nodes(self.id))["items"]
        return [
            node
            for node in items
            if role in {"", node["role"]} and phase in {"", node["state"]["phase"]}
        ]

    def events(self, reason: str = "", text: str = "", after: int = 0) -> list[Json]:
        """Its events, those of a reason, those that mention a text."""
        found: list[Json] = []
        last = after
        while items := self.site.client.json(calls.list_events(self.id, last))["items"]:
            last = items[-1]["seq"]
            found += items
        return [e for e in found if reason in {"", e["reason"]} and text in e["message"]]

    def last_event(self) -> int:
        """The number of the newest event."""
        return max((int(event["seq"]) for event in self.events()), default=0)

    def conditions(self) -> dict[str, Json]:
        """Condition by type."""
        return {one["type"]: one for one in self.now()["conditions"]}

    def words(self) -> str:
        """All that the platform says about why it is not settled."""
        plan = self.site.client.json(calls.get_plan(self.id))
        said = [f"{c['type']}: {c['message']}" for c in self.now()["conditions"] if c["message"]]
        said += [f"{w['subject']}: {w['reason']}" for w in plan["waiting"]]
        return "\n".join(said)

    def certificate(self) -> Json | None:
        """The deletion certificate, when there is one."""
        try:
            found: Json = self.site.client.json(calls.get_certificate(self.id))
        except NotFound:
            return None
        return found

    def certificate_is(self, *states: str) -> bool:
        """True once the certificate is in one of the states."""
        return (self.certificate() or {}).get("state") in states

    def truth(self) -> list[Json]:
        """What the cloud itself holds with this cluster's tag."""
        return self.site.control.truth(self.id)

    def kubeconfig(self, role: str = "admin", hours: int | None = None) -> str:
        """A new kubeconfig."""
        return str(self.site.client.call(calls.get_kubeconfig(self.id, role, hours)))

    def kubectl(self, role: str = "admin") -> Kubectl:
        """The real kubectl with a new kubeconfig."""
        path = self.site.stage.directory / f"kubeconfig-{self.id}-{role}"
        path.touch(mode=0o600)
        path.write_text(self.kubeconfig(role))
        return Kubectl(path, str(self.now()["kubernetesVersion"]))

    def reconcile(self) -> None:
        """Have it compared and repaired now."""
        self.site.client.call(calls.reconcile_cluster(self.id))

    def ask_delete(self) -> None:
        """Have it deleted."""
        self.site.client.call(calls.delete_cluster(self.id))

    def is_whole(self) -> bool:
        """Ready, with as many ready nodes as nodes that are wanted."""
        found = self.now()
        going = {"deleting", "deleted"}
        phases = {node["state"]["phase"] for node in found["nodes"]} - going
        return found["status"] == "ready" and phases == {"ready"}

    def wait(self, what: str, seen: Callable[[], Any], limit: float) -> float:
        """Seconds until it is so. Raises TimeoutError with what the platform said last."""
        try:
            return wait_until(what, seen, limit)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self._testimony()}") from None

    def wait_whole(self, limit: float = 120) -> float:
        """Seconds until it is ready with all nodes."""
        return self.wait("the cluster is ready with all its nodes", self.is_whole, limit)

    def wait_settled(self, quiet: float = 8.0, limit: float = 120) -> None:
        """Wait until no pass has run for a while: whatever comes next must be noticed anew."""
        seen, since = "", time.monotonic()

        def is_quiet() -> bool:
            nonlocal seen, since
            last = str(self.now()["reconciledAt"])
            if last != seen:
                seen, since = last, time.monotonic()
            return time.monotonic() - since >= quiet

        self.wait(f"no pass for {quiet:g} s", is_quiet, limit)

    def delete(self, limit: float = 90) -> None:
        """Delete it and wait for the confirmed certificate."""
        self.ask_delete()
        self.wait("the deletion is confirmed", lambda: self.certificate_is("confirmed"), limit)

    def _testimony(self) -> str:
        try:
            told = [f"{e['at']} {e['reason']}: {e['message']}" for e in self.events()[-12:]]
            nodes = [f"{n['name']} {n['state']}" for n in self.nodes()]
            return "\n".join([f"status {self.status}", self.words(), *nodes, *told])
        except ClientError as error:
            return f"the platform does not answer: {error}"


def wait_until(what: str, seen: Callable[[], Any], limit: float, pause: float = LOOK) -> float:
    """Seconds until `seen()` is true; an API that does not answer is not yet.

    Raises TimeoutError naming what did not happen.
    """
    began = time.monotonic()
    while not _true(seen):
        if time.monotonic() - began > limit:
            raise TimeoutError(f"{what}: not within {limit:g} s")
        time.sleep(pause)
    return time.monotonic() - began


def _true(seen: Callable[[], Any]) -> bool:
    try:
        return bool(seen())
    except ClientError:
        return False
