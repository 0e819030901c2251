"""Reads the world for one pass: clouds, the cluster's API, agents, and our own records."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from holdfast.identity import pki
from holdfast.kube.port import Kube, KubeAccess, KubeUnreachable
from holdfast.model.cluster import Cluster
from holdfast.model.ids import MachineId, ResourceName
from holdfast.model.machine import Machine
from holdfast.model.names import cloud_of
from holdfast.model.observed import Blind, Foreign, KubeSeen, Life, Observed, Seen, Unsure
from holdfast.model.offering import Cloud
from holdfast.model.resource import Role, VirtualMachine
from holdfast.model.spec import CloudSpec
from holdfast.planner.control_plane import lost_members
from holdfast.planner.desired import API_PORT
from holdfast.planner.rules import Rules
from holdfast.providers.errors import ProviderError
from holdfast.providers.port import Provider, Scope
from holdfast.reconciler.world import OUR_CERTIFICATE, World
from holdfast.store.database import Tx
from holdfast.store.intents import Intent
from holdfast.store.orders import Order
from holdfast.store.things import Thing

PKI = "pki"
REMOVE_MEMBER = "remove-etcd-member"
LISTING_TIMEOUT = 30.0  # seconds; a pass must never hang on one cloud


@dataclass(frozen=True, slots=True)
class Recorded:
    """What our own tables say of a cluster."""

    machines: Mapping[MachineId, Machine]
    intents: Mapping[ResourceName, Intent]
    things: Sequence[Thing]
    orders: Sequence[Order]
    pki: bytes | None
    gone: Sequence[Machine] = ()
    used: frozenset[MachineId] = frozenset()  # ids that a machine has or had


@dataclass(frozen=True, slots=True)
class Reach:
    """How this pass reaches the outside: read once, with the newest keys.

    A provider whose credentials can't be used is the error that says so.
    """

    recorded: Recorded
    providers: Mapping[Cloud, Provider | ProviderError]
    kube: Kube | None

    def provider(self, cloud: Cloud) -> Provider:
        """The provider of one of the cluster's clouds. Raises the error that stands for it."""
        found = self.providers[cloud]
        if isinstance(found, ProviderError):
            raise found
        return found


async def reach(cluster: Cluster, world: World) -> Reach:
    """Our own records and the doors to the outside, in one read.

    Raises LookupError when the credentials are gone, which the store forbids while a cluster
    uses them.
    """
    async with world.store.reading() as tx:
        recorded = await _recorded(cluster, tx, world)
        providers = {c.cloud: await _provider(c, tx, world) for c in cluster.spec.clouds}
    kube = kube_of(cluster, recorded.machines.values(), recorded.pki, world)
    world.reached.note(cluster.id, is_reached=kube is not None)
    return Reach(recorded, providers, kube)


async def everything(cluster: Cluster, reached: Reach, world: World) -> Observed:
    """All that can be seen now; a part that can't be seen is blind, never absent."""
    listings = [_listed(cluster, cloud, reached, world) for cloud in cluster.spec.clouds]
    leaving = [m.name for m in reached.recorded.machines.values() if _is_drained(m)]
    (kube, kube_error), listed = await asyncio.gather(
        kube_seen(reached.kube, leaving), asyncio.gather(*listings)
    )
    found = [part for listing in listed for part in listing]
    return fold(found, reached.recorded, kube, kube_error, world)


def fold(
    found: Sequence[Seen | Blind | Foreign],
    recorded: Recorded,
    kube: KubeSeen | None,
    kube_error: str,
    world: World,
) -> Observed:
    """Put listings and records together."""
    now = world.clock.now()
    things, surplus = one_each([s for s in found if isinstance(s, Seen)], recorded.machines)
    blind = tuple(part for part in found if isinstance(part, Blind))
    machines = {**ghosts(recorded, kube), **_with_orders(recorded, now)}
    agents = world.store.heartbeats.view()
    return Observed(
        things=things,
        surplus=surplus,
        foreign=tuple(part for part in found if isinstance(part, Foreign)),
        unrecorded=unrecorded(things.values(), recorded),
        unsure=unsure(things, recorded, now, world.rules),
        blind=blind,
        machines=machines,
        agents={machine: agents[machine] for machine in machines if machine in agents},
        kube=kube,
        kube_error=kube_error,
    )


def one_each(
    seen: Iterable[Seen], machines: Mapping[MachineId, Machine]
) -> tuple[dict[ResourceName, Seen], tuple[Seen, ...]]:
    """One thing a name: a living one before one that ended, the oldest of them; others are surplus.

    A machine is bound to the id that was recorded: another VM of its name is always surplus, also
    while the recorded one is out of sight. A copy that the cloud declares gone does not exist.
    """
    recorded = {machine.resource: machine.provider_id for machine in machines.values()}
    things: dict[ResourceName, Seen] = {}
    surplus = []
    for thing in sorted(seen, key=lambda s: (s.life is Life.GONE, str(s.created_at), s.id)):
        name = thing.resource.name
        if recorded.get(name) in {None, thing.id} and name not in things:
            things[name] = thing
        elif thing.life is not Life.GONE:
            surplus.append(thing)
    return things, tuple(surplus)


def unrecorded(things: Iterable[Seen], recorded: Recorded) -> tuple[Seen, ...]:
    """Machines without a record. Each is recorded before it is asked for, and stays recorded."""
    return tuple(
        seen
        for seen in things
        if isinstance(seen.resource, VirtualMachine)
        and seen.resource.machine not in recorded.used
        and seen.life is not Life.GONE
    )


def unsure(
    things: Mapping[ResourceName, Seen], recorded: Recorded, now: datetime, rules: Rules
) -> dict[ResourceName, Unsure]:
    """Asked for or seen before, and not visible now, since the later of both.

    Readings without a thing are counted when they were complete. A machine that is still wanted
    stays unsure when its thing's record ends first: health may have been blind meanwhile.
    """
    found: dict[ResourceName, Unsure] = {}
    for name, intent in recorded.intents.items():
        if name not in things and intent.calls:
            found[name] = Unsure(intent.saved_at, rules.gone_readings, intent.calls)
    held = {m.provider_id for m in recorded.machines.values() if m.is_wanted}
    for thing in recorded.things:
        is_open = thing.removed_at is None or thing.id in held
        if is_open and thing.name not in things:
            since, asked = thing.missing_since or thing.removed_at or now, found.get(thing.name)
            found[thing.name] = Unsure(
                max(since, asked.since) if asked else since,
                thing.missing_readings + 1,
                asked.calls if asked else 0,
                now - thing.first_seen_at < rules.window(cloud_of(thing.name)),
            )
    return found


def ghosts(recorded: Recorded, kube: KubeSeen | None) -> dict[MachineId, Machine]:
    """Machines that went while the cluster's API was silent: their Node objects must go too."""
    nodes = kube.nodes if kube is not None else {}
    return {machine.id: machine for machine in recorded.gone if machine.name in nodes}


def _with_orders(recorded: Recorded, now: datetime) -> dict[MachineId, Machine]:
    """A lost control plane's member is out once the order to take it out was carried out."""
    out = {
        MachineId(order.arguments["machineId"]): order.done_at or now
        for order in recorded.orders
        if order.kind == REMOVE_MEMBER and order.ok and "machineId" in order.arguments
    }
    return {
        machine.id: replace(machine, member_removed_at=machine.member_removed_at or out[machine.id])
        if machine.id in out
        else machine
        for machine in recorded.machines.values()
    }


async def _recorded(cluster: Cluster, tx: Tx, world: World) -> Recorded:
    """A control plane that is gone counts until its etcd member is out, however fast it went."""
    store = world.store
    machines = await store.machines.of_cluster(tx, cluster.id, gone=True)
    members = {machine.id for machine in lost_members(machines)}
    return Recorded(
        machines={m.id: m for m in machines if m.gone_at is None or m.id in members},
        gone=tuple(m for m in machines if m.gone_at is not None),
        intents=await store.intents.of_cluster(tx, cluster.id),
        things=await store.things.of_cluster(tx, cluster.id),
        orders=await store.orders.of_cluster(tx, cluster.id),
        pki=await store.secrets.get(tx, cluster.id, PKI),
        used=frozenset(machine.id for machine in machines),
    )


async def _provider(cloud: CloudSpec, tx: Tx, world: World) -> Provider | ProviderError:
    row = await world.store.credentials.get(tx, cloud.credentials)
    if row is None:
        message = f"credentials {cloud.credentials} are gone"
        raise LookupError(message)
    secret = await world.store.credentials.secret(tx, row.id)
    try:
        return world.providers.provider(row.cloud, secret)
    except ProviderError as error:
        return error


def scope_of(cluster: Cluster, cloud: CloudSpec, world: World) -> Scope:
    """Whose things a call is about."""
    return Scope(
        installation=world.installation.id,
        cluster=cluster.id,
        cluster_name=cluster.spec.name,
        region=cloud.region,
        tags=cluster.spec.tags,
    )


async def _listed(
    cluster: Cluster, cloud: CloudSpec, reached: Reach, world: World
) -> Sequence[Seen | Blind | Foreign]:
    """One cloud's listing; a call that hangs leaves it blind, like one that fails."""
    try:
        async with asyncio.timeout(LISTING_TIMEOUT):
            provider = reached.provider(cloud.cloud)
            found = await provider.observe(scope_of(cluster, cloud, world), cluster.id)
    except ProviderError as error:
        found = (Blind(frozenset(), str(error), type(error).__name__),)
    except TimeoutError:
        found = (Blind(frozenset(), "the listing took too long", "Unavailable"),)
    # One cloud's blindness says nothing of the others.
    return [replace(part, cloud=cloud.cloud) if isinstance(part, Blind) else part for part in found]


def _is_drained(machine: Machine) -> bool:
    leaves = machine.leaving_at is not None or machine.interrupted_at is not None
    return machine.is_wanted and leaves


async def kube_seen(
    client: Kube | None, leaving: Iterable[str] = ()
) -> tuple[KubeSeen | None, str]:
    """The cluster's API, with the pods of the nodes that are drained.

    None and the reason while it does not answer.
    """
    if client is None:
        return None, "it is not up yet"
    try:
        found = await client.look()
        pods = {name: await client.pods_on(name) for name in leaving if name in found.nodes}
    except KubeUnreachable as error:
        return None, str(error)
    return replace(found, pods=pods), ""


def kube_of(
    cluster: Cluster, machines: Iterable[Machine], pki_json: bytes | None, world: World
) -> Kube | None:
    """The client of the cluster's API; None before a control plane joined and while deleting."""
    up = any(m.joined_at and m.role is Role.CONTROL_PLANE for m in machines)
    if not up or cluster.endpoint is None or pki_json is None or cluster.is_deleting:
        return None
    url = f"https://{cluster.endpoint}:{API_PORT}"

    now = world.clock.now()

    def access() -> KubeAccess:
        keys = pki.ClusterPki.from_json(pki_json)
        certificate, key = pki.client_certificate(
            keys, "holdfast", ("kubeadm:cluster-admins",), now, OUR_CERTIFICATE
        )
        return KubeAccess(url, keys.ca.certificate, certificate, key, world.platform.egress_proxy)

    return world.kubes.kube(cluster.id, url, now, access)
