"""`holdfast serve`: the composition root. API, engine and reconciler in one process.

    settings -> vault -> store -> world -> engine, watches   \\
                              \\-> API (uvicorn, TLS) ---------> one event loop
"""

import asyncio
import json
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from importlib import resources
from pathlib import Path

import structlog

from holdfast.api.app import create_app
from holdfast.api.auth import ApiContext
from holdfast.bootstrap import archive
from holdfast.clock import SystemChance, SystemClock
from holdfast.engine.memory import MemoryEngine
from holdfast.identity.certificates import KeyPair
from holdfast.kube.http import HttpKube
from holdfast.local import server, tls
from holdfast.model.offering import Cloud
from holdfast.planner.rules import Rules
from holdfast.providers.connect import Connections, Endpoints
from holdfast.reconciler import loop, watch
from holdfast.reconciler.world import Kubes, Platform, World
from holdfast.settings import Settings, SettingsError
from holdfast.store.errors import DatabaseInUse, Sealed, UnusableDatabase
from holdfast.store.store import Store, open_store
from holdfast.store.vault import Vault
from holdfast.telemetry import set_up_logs
from holdfast.wire.region import RegionGroup, groups

ADMIN_TOKEN = "admin-token"  # noqa: S105  (a file's name)

_log = structlog.get_logger(__name__)


def serve(
    *,
    data_dir: Path | None = None,
    listen_host: str | None = None,
    listen_port: int | None = None,
    ready_file: Path | None = None,
    observe_only: bool = False,
) -> int:
    """Run the platform: API and reconciler, until SIGINT or SIGTERM.

    All settings can be given as HOLDFAST_<NAME> in the environment; options win.

    Parameters
    ----------
    data_dir
        Directory of the database, the keys and the platform's certificates.
    listen_host
        Address the API listens on.
    listen_port
        Port the API listens on; 0 takes a free one.
    ready_file
        Written once requests are served: JSON with url, ca_file, token_file and pid.
    observe_only
        Look and plan, and do nothing before `holdfast installation release`.
    """
    given = {"data_dir": data_dir, "listen_host": listen_host, "listen_port": listen_port}
    given["observe_only"] = observe_only or None
    try:
        settings = Settings.load(**{k: v for k, v in given.items() if v is not None})
        listener = server.listen(settings.listen_host, settings.listen_port)
    except (SettingsError, server.PortInUse) as error:
        print(f"holdfast serve: {error}", file=sys.stderr)
        return 2
    set_up_logs(settings.log_level, json=settings.log_format == "json")
    try:
        asyncio.run(_serve(settings, listener, ready_file))
    except (DatabaseInUse, UnusableDatabase, Sealed, OSError) as error:
        print(f"holdfast serve: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve(settings: Settings, listener: socket.socket, ready_file: Path | None) -> None:
    clock, chance = SystemClock(), SystemChance()
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    vault = Vault.from_file(settings.keys(), chance)
    async with await open_store(settings.database(), vault, clock, chance) as store:
        store.heartbeats.late_after = settings.heartbeat_late
        ca = await tls.authority(store, clock)
        certificate = tls.write_server_files(ca, settings, clock)
        port = listener.getsockname()[1]
        agent = agent_archive()
        engine = MemoryEngine(clock, chance)
        store.on_wake(engine.wake)
        known = groups({g: _clouds(native) for g, native in settings.regions.items()})
        providers = Connections(Endpoints(aws=settings.aws_endpoint), clock)
        parts = _Parts(settings, store, engine, known, providers)
        world = await _world(parts, ca, agent, port)
        app = ApiContext(
            store=store,
            clock=clock,
            chance=chance,
            platform_ca_pem=ca.certificate.encode(),
            agent_archive=agent,
            identity_certificates=_identity_certificates(settings),
            egress_proxy=settings.egress_proxy or None,
            windows=world.rules.windows,
            regions=known,
        )
        http = server.Server(create_app(app), certificate, app.stopping)
        await _first_token(store, settings)
        await _until_stopped(http, listener, world, settings, ready_file)
        await world.kubes.close()
        providers.close()


async def _until_stopped(
    http: server.Server,
    listener: socket.socket,
    world: World,
    settings: Settings,
    ready_file: Path | None,
) -> None:
    """The server leads: when it has stopped, everything else is cancelled."""
    async with asyncio.TaskGroup() as group:
        owner = f"{socket.gethostname()}:{os.getpid()}"
        behind = [
            group.create_task(loop.run(world, owner, settings.concurrency)),
            group.create_task(watch.heartbeats(world)),
            group.create_task(watch.nodes(world)),
            group.create_task(_announce(http, listener, settings, ready_file)),
        ]
        await http.serve(sockets=[listener])
        for task in behind:
            task.cancel()


async def _announce(
    http: server.Server, listener: socket.socket, settings: Settings, ready_file: Path | None
) -> None:
    await http.serving.wait()
    host, port = listener.getsockname()[:2]
    url = f"https://{host}:{port}"
    _log.info("serving", url=url, data_dir=str(settings.data_dir))
    if ready_file is not None:
        ready = {
            "url": url,
            "ca_file": str(settings.data_dir / "ca.pem"),
            "token_file": str(settings.data_dir / ADMIN_TOKEN),
            "pid": os.getpid(),
        }
        tls.write_private(ready_file, json.dumps(ready, indent=2))


@dataclass(frozen=True, slots=True)
class _Parts:
    settings: Settings
    store: Store
    engine: MemoryEngine
    regions: tuple[RegionGroup, ...]
    providers: Connections


async def _world(parts: _Parts, ca: KeyPair, agent: bytes, port: int) -> World:
    settings = parts.settings
    async with parts.store.writing() as tx:
        installation = await parts.store.installation.get_or_make(tx)
        if settings.observe_only:
            await parts.store.observe_only.enter(tx, "asked for at the start")
        state = await parts.store.observe_only.state(tx)
    if state is not None:
        _log.warning("observe-only", since=state.since.isoformat(), reason=state.reason)
    return World(
        store=parts.store,
        engine=parts.engine,
        clock=SystemClock(),
        chance=SystemChance(),
        rules=rules(settings),
        installation=installation,
        providers=parts.providers,
        kubes=Kubes(HttpKube),
        platform=Platform(
            url=settings.url(port),
            ca_sha256=archive.sha256(ca.certificate.encode()),
            agent_sha256=archive.sha256(agent),
            egress_proxy=settings.egress_proxy,
        ),
        native_regions=native_regions(parts.regions),
    )


def rules(settings: Settings) -> Rules:
    """The planner's numbers from the settings."""
    default = Rules()
    windows = {
        **default.windows,
        Cloud.AWS: timedelta(seconds=settings.aws_consistency_window),
    }
    return Rules(
        windows=windows,
        join_deadline=timedelta(seconds=settings.join_deadline),
        unhealthy_after=timedelta(seconds=settings.unhealthy_after),
        breaker_fraction=settings.breaker_fraction,
        drain_deadline=timedelta(seconds=settings.drain_deadline),
        listing_gap=min(default.listing_gap, windows[Cloud.AWS]),
    )


def native_regions(known: tuple[RegionGroup, ...]) -> dict[Cloud, tuple[str, ...]]:
    """The clouds' own regions of all groups, the first group's first."""
    return {
        cloud: tuple(dict.fromkeys(g.native[cloud] for g in known if cloud in g.native))
        for cloud in Cloud
    }


def agent_archive() -> bytes:
    """The agent as machines fetch it, packed from this installation's own sources."""
    folder = resources.files("holdfast.agent")
    files = {
        entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.name.endswith(".py")
    }
    return archive.build(files)


def _clouds(native: Mapping[str, str]) -> dict[Cloud, str]:
    return {Cloud(cloud): region for cloud, region in native.items()}


def _identity_certificates(settings: Settings) -> Mapping[Cloud, bytes]:
    path = settings.aws_identity_certificates
    return {Cloud.AWS: path.read_bytes()} if path is not None else {}


async def _first_token(store: Store, settings: Settings) -> None:
    """At the first start there is nobody who could make a token: it is left in a private file."""
    async with store.writing() as tx:
        if await store.tokens.list(tx):
            return
        secret = await store.tokens.create(tx, "first start")
    path = settings.data_dir / ADMIN_TOKEN
    tls.write_private(path, secret + "\n")
    _log.info("made the first token", file=str(path))
