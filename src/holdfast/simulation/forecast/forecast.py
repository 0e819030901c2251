"""Plays one event on a copy of a cluster, and looks every few seconds at pods and money."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from holdfast.kube.sim.objects import Deployment, Requests, SimNode
from holdfast.model.ids import ClusterId
from holdfast.model.offering import Cloud
from holdfast.model.resource import Role
from holdfast.providers.sim import truth
from holdfast.simulation import quiet
from holdfast.simulation.agent import Heartbeats
from holdfast.simulation.forecast.report import Report, Said, Sample
from holdfast.simulation.forecast.strikes import Impossible, Strike
from holdfast.simulation.invariants import installation
from holdfast.simulation.quiet import NotConverged, until_quiet
from holdfast.simulation.run import logged, virtually
from holdfast.simulation.time import EPOCH
from holdfast.simulation.user import Refused
from holdfast.simulation.world import Settings, Simulation

LOOK = 5.0  # virtual seconds between two looks
BUILT = 4 * 3600.0  # virtual seconds within which the cluster must stand
POD = Requests(200, 256)  # what a pod of the workload asks for
WORKLOAD = "workload"
FILLED = 0.5  # share of the workers' CPUs that the workload takes when nothing else is said
EVENTS = "SELECT at, reason, message FROM events WHERE cluster = ? ORDER BY seq"
UNTOLD = {"Create", "Delete", "MachineStep", "MachineCreated", "MachineRegistered"}


def forecast(
    body: Mapping[str, Any], strike: Strike, *, seed: int, minutes: int, pods: int | None
) -> Report:
    """What the event would do to a cluster with that specification.

    body     as POST clusters takes it, without credentials
    minutes  virtual ones after the event, at most
    pods     of the workload; None: so many that half of the workers' CPUs are taken

    Raises Impossible for a specification or an event that cannot be simulated.
    """
    clouds = sorted({Cloud(node["cloud"]) for node in body.get("nodes") or ()}) or [Cloud.AWS]
    settings = Settings(seed=seed, heartbeats=Heartbeats.LIGHT)

    async def whole() -> Report:
        async with Simulation.open(settings) as world:
            with logged(world):
                cluster = await _built(world, body, clouds)
                running = await _with_pods(world, cluster, pods)
                return await _struck(world, cluster, strike, running, minutes * 60.0)

    return virtually(whole())


async def _built(world: Simulation, body: Mapping[str, Any], clouds: list[Cloud]) -> ClusterId:
    try:
        await world.user.connect(*clouds)
        cluster = await world.user.request(dict(body))
        await until_quiet(world, BUILT)
    except Refused as refusal:
        raise Impossible(f"the specification is refused: {refusal.violations}") from refusal
    except NotConverged as error:
        raise Impossible(f"the cluster never stands in the simulation: {error}") from error
    if (await world.user.cluster(cluster))["status"] != "ready":
        row = next(row for row in quiet.rows(world.disk.raw) if row.id == cluster)
        raise Impossible(f"the cluster never stands in the simulation: {'; '.join(row.blocked)}")
    return cluster


async def _with_pods(world: Simulation, cluster: ClusterId, pods: int | None) -> int:
    """Deploy the workload; returns how many pods run. Raises Impossible when they don't fit."""
    kubernetes = world.kubernetes.cluster(cluster)
    rooms = [node.room for node in kubernetes.nodes.values() if node.role is Role.WORKER]
    wanted = pods
    if wanted is None:
        wanted = int(sum(room.milli_cpus for room in rooms) * FILLED / POD.milli_cpus)
    kubernetes.deploy(Deployment("default", WORKLOAD, wanted, POD))
    await world.clock.sleep(30.0)
    if kubernetes.displaced:
        told = f"{kubernetes.displaced} of {wanted} pods don't fit on {len(rooms)} workers"
        raise Impossible(f"--pods: {told}; each asks for 0.2 CPUs and 256 MiB")
    return wanted


async def _struck(
    world: Simulation, cluster: ClusterId, strike: Strike, pods: int, limit: float
) -> Report:
    nodes, before, began = len(world.guests(cluster)), _hourly(world), world.clock.monotonic()
    samples: list[Sample] = []
    looking = asyncio.create_task(_look(world, cluster, samples, began))
    strike.act(world, cluster)
    ended: float | None = None
    reasons: tuple[str, ...] = ()
    try:
        await _over(world, limit)
        ended = world.clock.monotonic() - began
    except NotConverged as error:
        reasons = tuple(error.reasons)
    finally:
        looking.cancel()
    row = next(row for row in quiet.rows(world.disk.raw) if row.id == cluster)
    samples.append(_sample(world, cluster, began))
    return Report(
        scenario=strike.name,
        about=strike.about,
        seed=world.settings.seed,
        nodes=nodes,
        pods=pods,
        before=before,
        samples=tuple(samples),
        said=tuple(_said(world, cluster, began)),
        quiet=ended,
        reasons=reasons or row.blocked,
        phase=row.phase,
    )


async def _over(world: Simulation, limit: float) -> None:
    """Until the event's own steps are over and the world is quiet. Raises NotConverged."""
    until = world.clock.monotonic() + limit
    while world.clock.monotonic() < until and _goes_on(world):
        await world.clock.sleep(LOOK)
    await until_quiet(world, max(LOOK, until - world.clock.monotonic()))


def _goes_on(world: Simulation) -> bool:
    keys = (key for account in world.clouds.accounts.values() for key in account.keys)
    clusters = world.kubernetes.clusters.values()
    return (
        bool(world.clouds.faults.all())
        or any(cluster.is_away for cluster in clusters)
        or not all(key.is_valid for key in keys)
    )


async def _look(world: Simulation, cluster: ClusterId, samples: list[Sample], began: float) -> None:
    while True:
        samples.append(_sample(world, cluster, began))
        await world.clock.sleep(LOOK)


def _sample(world: Simulation, cluster: ClusterId, began: float) -> Sample:
    kubernetes = world.kubernetes.cluster(cluster)
    kubernetes.settle()
    now = world.clock.monotonic()
    serving = sum(
        pod.is_running(now) and _serves(world, kubernetes.nodes.get(pod.node or ""))
        for pod in kubernetes.pods.values()
        if pod.owner.name == WORKLOAD
    )
    wanted = sum(d.replicas for d in kubernetes.deployments.values() if d.name == WORKLOAD)
    return Sample(now - began, max(0, wanted - serving), _hourly(world))


def _serves(world: Simulation, node: SimNode | None) -> bool:
    """Its machine lives, whatever the Node object still says while the API is away."""
    return node is not None and world.machines.lives(node.machine)


def _hourly(world: Simulation) -> Decimal:
    return truth.money(world.clouds, installation(world))


def _said(world: Simulation, cluster: ClusterId, began: float) -> list[Said]:
    """The platform's events and the world's own, in order of time."""
    own = [Said(at - began, text) for at, text in world.transcript.notes if at >= began]
    found = [one for one in own if not one.text.startswith(("log ", "machine ", "user "))]
    for at, reason, message in world.disk.raw.execute(EVENTS, (cluster,)):
        seconds = (datetime.fromisoformat(at).replace(tzinfo=UTC) - EPOCH).total_seconds() - began
        if seconds >= 0 and reason not in UNTOLD:
            found.append(Said(seconds, message, str(reason)))
    return sorted(found, key=lambda one: one.at)
