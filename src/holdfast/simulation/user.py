"""A person with a token, who asks again until the platform has answered."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from holdfast.clock import Clock
from holdfast.model.ids import ClusterId
from holdfast.model.offering import Cloud
from holdfast.providers.sim.world import World as Clouds
from holdfast.simulation.effects import Died
from holdfast.simulation.process import Process
from holdfast.simulation.transcript import Transcript

AGAIN = 1.0  # seconds between two tries
TRIES = 600
CLUSTERS = "/v1/kubernetes/clusters"


class Surroundings(Protocol):
    """What a person needs of the world."""

    clock: Clock
    clouds: Clouds
    transcript: Transcript

    @property
    def platform(self) -> Process:
        """The process that runs. Raises RuntimeError when none does."""
        ...


class Refused(Exception):
    """The platform says no, and why; `answer` is what it said, where there is a body."""

    def __init__(self, text: str, status: int = 0, answer: Any = None) -> None:
        super().__init__(text)
        self.status = status
        self.answer = answer

    @property
    def violations(self) -> str:
        """The fields that were wrong and why, else the whole refusal."""
        body = self.answer if isinstance(self.answer, dict) else {}
        found = [f"{one['field']}: {one['description']}" for one in body.get("fieldViolations", ())]
        return "; ".join(found) or str(self)


@dataclass(slots=True)
class User:
    """Speaks the public API only. What a lost answer may have done is looked up, not repeated."""

    world: Surroundings
    token: str = ""
    credentials: dict[Cloud, str] = field(default_factory=dict)

    async def connect(self, *clouds: Cloud) -> None:
        """Store the first key of the first account of each cloud."""
        for cloud in clouds:
            account = next(a for a in self.world.clouds.accounts.values() if a.cloud is cloud)
            secret = json.dumps(dict(account.keys[0].secret))
            name = f"{cloud.value}-{account.id}"
            body = {"id": "", "name": name, "cloud": cloud.value, "credentials": secret}
            found = await self._made("/v1/credentials", name, body)
            self.credentials[cloud] = str(found["id"])

    async def create(
        self,
        name: str,
        control_planes: int = 1,
        workers: int = 2,
        *,
        spot: bool = False,
        clouds: Sequence[Cloud] = (),
    ) -> ClusterId:
        """Have a cluster made, its nodes in turn on the clouds; without any: on the first one
        that is connected."""
        used = tuple(clouds) or tuple(self.credentials)[:1]
        nodes = [
            _node(used[number % len(used)], role, shape, spot=spot and role == "worker")
            for role, shape, count in (
                ("master", "medium", control_planes),
                ("worker", "small", workers),
            )
            for number in range(count)
        ]
        network: dict[str, Any] = {"privateWorkerNodes": False}
        if len(used) > 1:
            network["vpn"] = {"wireGuard": {"topology": "crossLocationMesh"}}
        body = {
            "name": name,
            "region": "eu-central",
            "addons": {},
            "network": network,
            "cloudCredentialsIDs": [self.credentials[cloud] for cloud in used],
            "nodes": nodes,
        }
        found = await self._made(CLUSTERS, name, body)
        return ClusterId(str(found["id"]))

    async def request(self, body: dict[str, Any]) -> ClusterId:
        """Have a cluster made with the keys of all connected clouds. Raises Refused."""
        keys = list(self.credentials.values())
        found = await self._made(CLUSTERS, body["name"], {**body, "cloudCredentialsIDs": keys})
        return ClusterId(str(found["id"]))

    async def delete(self, cluster: ClusterId) -> None:
        """Have a cluster deleted; repeating is harmless."""
        await self.asked("DELETE", f"{CLUSTERS}/{cluster}")

    async def add_nodes(
        self, cluster: ClusterId, role: str, shape: str, count: int, *, key: str
    ) -> None:
        """Add nodes on the first cloud; `key` keeps a repeat from adding more."""
        cloud = next(iter(self.credentials))
        nodes = [_node(cloud, role, shape, spot=False) for _ in range(count)]
        path = f"{CLUSTERS}/{cluster}/nodes:update"
        await self.asked("POST", path, {"add": nodes}, key)

    async def remove_node(self, cluster: ClusterId, node: str, *, force: bool = False) -> None:
        """Have a node leave. One that is gone already may have gone by a lost answer."""
        path = f"{CLUSTERS}/{cluster}/nodes/{node}"
        try:
            await self.asked("DELETE", f"{path}?force=true" if force else path)
        except Refused as refused:
            if refused.status != 404:
                raise

    async def replace_nodes(self, cluster: ClusterId, nodes: list[str]) -> None:
        """Have nodes get new machines. Asked again it changes nothing."""
        path = f"{CLUSTERS}/{cluster}/nodes:replace"
        await self.asked("POST", path, {"nodes": nodes, "reason": "a new image"})

    async def release_breaker(self, cluster: ClusterId, reason: str) -> None:
        """Say that the machines which look broken are lost."""
        await self.asked("POST", f"{CLUSTERS}/{cluster}/breaker-release", {"reason": reason})

    async def replace_key(self, cloud: Cloud, secret: dict[str, str]) -> None:
        """Give the platform another key of the same account."""
        path = f"/v1/credentials/{self.credentials[cloud]}/secret"
        await self.asked("PUT", path, {"credentials": json.dumps(secret)})

    async def installation(self) -> dict[str, Any]:
        """Whether the platform acts, and what waits for a release."""
        found: dict[str, Any] = await self.asked("GET", "/v1/installation")
        return found

    async def release(self, *clusters: ClusterId) -> None:
        """Let the platform act again, on all clusters or on these. A refusal is looked into: an
        answer that was lost may have released it."""
        body = {"clusters": list(clusters)} if clusters else {}
        before = await self.installation()
        try:
            await self.asked("POST", "/v1/installation/release", body)
        except Refused:
            if (await self.installation())["mode"] == before["mode"]:
                raise

    async def cluster(self, cluster: ClusterId) -> dict[str, Any]:
        """The cluster as the API shows it."""
        found: dict[str, Any] = await self.asked("GET", f"{CLUSTERS}/{cluster}")
        return found

    async def wait_for(self, cluster: ClusterId, status: str, limit: float = 3600.0) -> bool:
        """Look every few seconds until the cluster has a status; False when it never has."""
        until = self.world.clock.monotonic() + limit
        while self.world.clock.monotonic() < until:
            if (await self.cluster(cluster))["status"] == status:
                return True
            await self.world.clock.sleep(5.0)
        return False

    async def asked(self, method: str, path: str, body: Any = None, key: str = "") -> Any:
        """The JSON of an answer; asks again while the platform is down. Raises Refused."""
        for _ in range(TRIES):
            try:
                status, answer = await self._once(method, path, body, key)
            except (Died, RuntimeError):
                await self.world.clock.sleep(AGAIN)
                continue
            if status >= 500:
                await self.world.clock.sleep(AGAIN)
            elif status >= 400:
                raise Refused(f"{method} {path}: {status} {answer}", status)
            else:
                return answer
        raise Refused(f"{method} {path}: the platform never answered")

    async def _once(self, method: str, path: str, body: Any, key: str = "") -> tuple[int, Any]:
        process = self.world.platform
        if not self.token:
            self.token = await process.first_token()
        found: tuple[int, Any] = await process.asked(method, path, self.token, body, key)
        return found

    async def _made(self, path: str, name: str, body: Any) -> dict[str, Any]:
        """Make something with a name. A refusal is looked into: a lost answer may have made it."""
        refusal: Refused | None = None
        for _ in range(TRIES):
            known = await self.asked("GET", path)
            found: dict[str, Any]
            for found in known["items"]:
                if found["name"] == name:
                    return found
            if refusal is not None:
                raise refusal
            self.world.transcript.note(f"user asks: POST {path} {name}")
            try:
                status, answer = await self._once("POST", path, body)
            except (Died, RuntimeError):
                await asyncio.sleep(AGAIN)
                continue
            if status < 400:
                found = answer
                return found
            if status < 500:
                refusal = Refused(f"POST {path} {name}: {status} {answer}", status, answer)
        raise Refused(f"POST {path} {name}: the platform never answered")


def _node(cloud: Cloud, role: str, shape: str, *, spot: bool) -> dict[str, Any]:
    node: dict[str, Any] = {"cloud": cloud.value, "role": role, "shape": shape, "instanceType": ""}
    return {**node, "spotConfig": {"isSpot": True}} if spot else node
