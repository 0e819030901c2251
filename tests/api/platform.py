"""A whole API in process: a real store in memory, a stand-in for the passes of accounts.

@story
async def test_something(platform: Platform) -> None:
    answer = await platform.get("/v1/regions")
"""

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from ipaddress import IPv4Network
from typing import Any

import httpx2
from fastapi import FastAPI

from holdfast.api.app import create_app
from holdfast.api.auth import ApiContext
from holdfast.clock import SystemChance
from holdfast.model.account import Account, Quota, Region
from holdfast.model.cluster import Cluster
from holdfast.model.ids import (
    ClusterId,
    CredentialsId,
    EngineKey,
    MachineId,
    ProviderId,
    RequestId,
)
from holdfast.model.machine import Machine
from holdfast.model.offering import CapacityType, Cloud, Offering, OfferingKey, Shape, Size
from holdfast.model.resource import Role
from holdfast.model.spec import CloudSpec, ClusterSpec, NodeRequest
from holdfast.model.status import ClusterPhase
from holdfast.model.wake import Why
from holdfast.store.store import Store, open_store
from holdfast.store.vault import Vault

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
GOOD_KEY = "AKIAGOODGOODGOODGOOD"
OTHER_ACCOUNT_KEY = "AKIAOTHEROTHEROTHER1"
READ_ONLY_KEY = "AKIAREADONLYREADONLY"
SECRET = "s3cr3t/of+the/account"


class HandClock:
    """Time passes when somebody sleeps, and when a test says so."""

    def __init__(self) -> None:
        self._now = AT
        self._seconds = 100.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._seconds

    async def sleep(self, seconds: float) -> None:
        self.turn(seconds)
        await asyncio.sleep(0)

    def turn(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._seconds += seconds


def a_region(name: str = "eu-central-1", vcpus: float = 64) -> Region:
    """What the stand-in sells: three types in three zones, on demand and spot."""
    types = {"t3.medium": (2, 4), "t3a.large": (2, 8), "m5.xlarge": (4, 16)}
    offerings = tuple(
        Offering(
            OfferingKey(Cloud.AWS, name, f"{name}{zone}", type_, market),
            Size(cpus, gib * 1024),
            Decimal("0.04") * gib / (4 if market is CapacityType.SPOT else 1),
        )
        for type_, (cpus, gib) in types.items()
        for zone in "abc"
        for market in CapacityType
    )
    return Region(
        name=name,
        zones=tuple(f"{name}{zone}" for zone in "abc"),
        offerings=offerings,
        quotas=(Quota("L-1216C47A", "Running On-Demand Standard instances", "vCPU", vcpus, 0),),
        images={"amd64": "ami-1"},
        address_price=Decimal("0.005"),
        disk_price=Decimal("0.0001"),
    )


def an_account(number: str = "111111111111", **changes: Any) -> Account:
    account = Account(number, f"arn:aws:iam::{number}:user/holdfast", ("eu-central-1",))
    return replace(account, **changes)


@dataclass
class FakeAccounts:
    """Does what the pass of an account does, at once, when the account is woken."""

    store: Store
    found: dict[str, Account | str] = field(
        default_factory=lambda: {
            GOOD_KEY: an_account(),
            OTHER_ACCOUNT_KEY: an_account("222222222222"),
            READ_ONLY_KEY: an_account(missing=("ec2:RunInstances", "ec2:CreateVpc")),
        }
    )
    region: Region = field(default_factory=a_region)
    is_silent: bool = False

    async def wake(self, key: EngineKey, why: Why) -> None:
        kind, _, identity = key.partition(":")
        if kind != "account" or self.is_silent:
            return
        credentials = CredentialsId(identity)
        async with self.store.writing() as tx:
            secret = await self.store.credentials.secret(tx, credentials)
            said = self.found.get(secret.get("accessKeyId", ""), "InvalidClientTokenId: wrong key")
            if isinstance(said, str):
                await self.store.credentials.record_check(tx, credentials, None, said)
                return
            lacking = f"permission lacking: {', '.join(said.missing)}" if said.missing else ""
            await self.store.credentials.record_check(tx, credentials, said, lacking)
            await self.store.regions.save(tx, credentials, self.region)


@dataclass
class Platform:
    """What a story plays with."""

    store: Store
    clock: HandClock
    context: ApiContext
    app: FastAPI
    accounts: FakeAccounts
    token: str
    http: httpx2.AsyncClient
    woken: list[str]

    async def get(self, path: str, **more: Any) -> httpx2.Response:
        return await self.http.get(path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> httpx2.Response:
        return await self.http.post(path, json=body, **more)

    async def delete(self, path: str) -> httpx2.Response:
        return await self.http.delete(path)

    async def credentials(self, name: str = "prod", key: str = GOOD_KEY) -> str:
        """Stored credentials; returns their id."""
        answer = await self.post("/v1/credentials", a_credentials(name, key))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def cluster(self, name: str = "web", **more: Any) -> dict[str, Any]:
        """A created basic cluster, with credentials of its own unless some are named."""
        if "cloudCredentialsIDs" not in more:
            more["cloudCredentialsIDs"] = [await self.credentials(f"for-{name}")]
        answer = await self.post("/v1/kubernetes/clusters", a_request(name, **more))
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def row(self, cluster: str) -> Cluster:
        async with self.store.reading() as tx:
            found = await self.store.clusters.get(tx, ClusterId(cluster))
        assert found is not None
        return found

    async def record(self, cluster: str, **changes: Any) -> None:
        """What a pass would record."""
        before = await self.row(cluster)
        values: dict[str, Any] = {
            "phase": before.phase,
            "conditions": before.conditions,
            "endpoint": before.endpoint,
            "observed_generation": 1,
            "reconciled_at": self.clock.now(),
            "delete_calls_at": None,
            "deleted_at": before.deleted_at,
            "plan": {"actions": [], "waiting": []},
        }
        async with self.store.writing() as tx:
            await self.store.clusters.record(tx, before.id, **(values | changes))

    async def machines(self, cluster: str, **changes: Any) -> list[Machine]:
        """One machine for each requested node, joined and ready."""
        row = await self.row(cluster)
        made = [
            a_machine(row.id, request, index, **changes)
            for index, request in enumerate(row.spec.nodes)
        ]
        async with self.store.writing() as tx:
            await self.store.machines.save(tx, *made)
        return made


def a_credentials(name: str = "prod", key: str = GOOD_KEY, secret: str = SECRET) -> dict[str, str]:
    inner = {"accessKeyId": key, "secretAccessKey": secret}
    return {"id": "", "name": name, "cloud": "aws", "credentials": json.dumps(inner)}


def a_node(role: str = "worker", shape: str = "small", **more: Any) -> dict[str, Any]:
    return {"cloud": "aws", "role": role, "shape": shape, "instanceType": "", **more}


def a_request(name: str = "web", **more: Any) -> dict[str, Any]:
    request = {
        "name": name,
        "region": "eu-central",
        "addons": {},
        "network": {"privateWorkerNodes": False},
        "nodes": [a_node("master", "medium"), a_node()],
        **more,
    }
    if request.get("preset"):
        del request["nodes"]
    return request


def a_machine(cluster: ClusterId, request: NodeRequest, index: int, **changes: Any) -> Machine:
    identity = f"0000000{index}-0000-4000-8000-000000000000"
    machine = Machine(
        id=MachineId(identity),
        cluster=cluster,
        request=request.id,
        name=f"web-{cluster[:8]}-aws-{identity[:4]}",
        role=request.role,
        offering=OfferingKey(
            Cloud.AWS, "eu-central-1", "eu-central-1a", "t3a.large", CapacityType.ON_DEMAND
        ),
        image="ami-1",
        disk_gib=30,
        kubernetes_version="1.37.2",
        attempt=1,
        token="hf-1",
        nonce_hash="n",
        chosen_at=AT,
        provider_id=ProviderId(f"i-{index}"),
        private_ip=f"10.10.0.{index + 4}",
        public_ip=f"198.18.0.{index + 4}",
        launched_at=AT,
        registered_at=AT,
        joining_at=AT,
        joined_at=AT,
        ready_at=AT,
    )
    return replace(machine, **changes)


def a_cluster(identity: str, **changes: Any) -> Cluster:
    spec = ClusterSpec(
        name="web",
        region="eu-central",
        kubernetes_version="1.37.2",
        clouds=(
            CloudSpec(Cloud.AWS, CredentialsId("k"), "eu-central-1", IPv4Network("10.10.0.0/16")),
        ),
        nodes=(NodeRequest(RequestId("r1"), Role.CONTROL_PLANE, Cloud.AWS, Shape.MEDIUM),),
    )
    cluster = Cluster(ClusterId(identity), spec, 1, 0, 1, ClusterPhase.CREATING, AT)
    return replace(cluster, **changes)


@asynccontextmanager
async def a_platform(**settings: Any) -> AsyncIterator[Platform]:
    """A platform with one token; `settings` go to the context."""
    clock, chance = HandClock(), SystemChance()
    async with await open_store(
        "sqlite+aiosqlite://", Vault([b"k" * 32], chance), clock, chance
    ) as store:
        async with store.writing() as tx:
            token = await store.tokens.create(tx, "test")
        context = ApiContext(store=store, clock=clock, chance=chance, **settings)
        app = create_app(context)
        accounts, woken = FakeAccounts(store), []

        async def remember(key: EngineKey, why: Why) -> None:
            woken.append(str(key))

        store.on_wake(remember)
        store.on_wake(accounts.wake)
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(
            transport=transport, base_url="https://holdfast.test", headers={"X-API-Key": token}
        ) as http:
            yield Platform(store, clock, context, app, accounts, token, http, woken)


def story(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Plays an async test on a platform of its own; other parameters stay pytest's."""

    def play(**given: Any) -> None:
        async def whole() -> None:
            async with a_platform() as platform:
                await test(platform, **given)

        asyncio.run(whole())

    signature = inspect.signature(test)
    others = list(signature.parameters.values())[1:]
    play.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined]
    play.__name__, play.__doc__ = test.__name__, test.__doc__
    play.__module__ = test.__module__
    return play


def violations(answer: httpx2.Response) -> Mapping[str, str]:
    """Field -> description of a refused request."""
    return {one["field"]: one["description"] for one in answer.json()["fieldViolations"]}
