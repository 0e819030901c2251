"""What the API works with, and who may use it: tokens of people; agents prove themselves alone."""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from holdfast.api.errors import Refusal
from holdfast.clock import Chance, Clock
from holdfast.model.offering import Cloud
from holdfast.store.store import Store
from holdfast.telemetry import Metrics
from holdfast.wire.region import REGIONS, RegionGroup

LONGEST_TOKEN = 512
API_KEY = APIKeyHeader(name="X-API-Key", scheme_name="apiKey", auto_error=False)
BEARER = HTTPBearer(scheme_name="bearer", auto_error=False)

Key = Annotated[str | None, Security(API_KEY)]
Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]
Guard = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ApiContext:
    """The frozen collaborators and settings of every route.

    platform_ca_pem        the CA that machines check the platform's certificate with
    agent_archive          the agent as machines fetch it
    identity_certificates  PEM, per cloud, of what signs the identity documents of machines
    egress_proxy           URL of the CONNECT proxy on the way to clusters, written to kubeconfigs
    windows                how long a cloud may hide what is there, per cloud
    clouds                 clouds that this release can drive
    verdict_within         seconds that a request may wait for the pass of an account
    metrics                what /metrics shows
    stopping               set when the server stops: ends every open stream
    """

    store: Store
    clock: Clock
    chance: Chance
    platform_ca_pem: bytes = b""
    agent_archive: bytes = b""
    identity_certificates: Mapping[Cloud, bytes] = field(default_factory=dict)
    egress_proxy: str | None = None
    windows: Mapping[Cloud, timedelta] = field(default_factory=dict)
    regions: tuple[RegionGroup, ...] = REGIONS
    clouds: frozenset[Cloud] = frozenset({Cloud.AWS})
    verdict_within: float = 10.0
    metrics: Metrics = field(default_factory=Metrics)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


def required(context: ApiContext) -> Guard:
    """A dependency that lets only a valid token pass; 401 otherwise."""

    async def guard(key: Key, bearer: Bearer) -> None:
        await check(context, key or (bearer.credentials if bearer else None))

    return guard


def required_from_afar(context: ApiContext) -> Guard:
    """A dependency that lets this machine pass, and others only with a valid token.

    A request that a reverse proxy forwarded comes from this machine only in appearance.
    """

    async def guard(request: Request, key: Key, bearer: Bearer) -> None:
        forwarded = "forwarded" in request.headers or "x-forwarded-for" in request.headers
        if forwarded or not _is_loopback(request):
            await check(context, key or (bearer.credentials if bearer else None))

    return guard


async def check(context: ApiContext, secret: str | None) -> None:
    """Raises Refusal 401 unless it is the secret of a living token."""
    if not secret:
        raise _refused("no token; send one as X-API-Key or as Authorization: Bearer")
    token = None
    if len(secret) <= LONGEST_TOKEN:
        async with context.store.reading() as tx:
            token = await context.store.tokens.verify(tx, secret)
    if token is None:
        raise _refused("the token is unknown or was revoked")


def _refused(message: str) -> Refusal:
    return Refusal(401, message, headers={"WWW-Authenticate": "Bearer"})


def _is_loopback(request: Request) -> bool:
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
