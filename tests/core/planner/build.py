"""Builders of small worlds for the planner's tests: whole by themselves, changed by what a test
is about."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from ipaddress import IPv4Network
from typing import Any

from holdfast.model import names
from holdfast.model.account import Quota, Region
from holdfast.model.cluster import Cluster
from holdfast.model.ids import (
    ClusterId,
    CredentialsId,
    InstallationId,
    MachineId,
    ProviderId,
    RequestId,
    ResourceName,
)
from holdfast.model.machine import Machine
from holdfast.model.observed import AgentSeen, KubeSeen, Life, Observed, Seen
from holdfast.model.offering import CapacityType, Cloud, Offering, OfferingKey, Shape, Size
from holdfast.model.resource import Resource, Role, VirtualMachine
from holdfast.model.spec import CloudSpec, ClusterSpec, NodeRequest
from holdfast.model.status import ClusterPhase
from holdfast.model.workload import Node
from holdfast.planner import control_plane, desired
from holdfast.planner.machines import Identities, Market
from holdfast.planner.rules import Rules

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
ONE = ClusterId("11111111-aaaa-4aaa-8aaa-111111111111")
HERE = InstallationId("99999999-aaaa-4aaa-8aaa-999999999999")
KEYS = CredentialsId("33333333-aaaa-4aaa-8aaa-333333333333")
RULES = Rules()
REGION = "eu-central-1"
TYPES = {"t3.medium": (2, 4, "0.04"), "t3.large": (2, 8, "0.08"), "m5.xlarge": (4, 16, "0.2")}


def a_region(**changes: Any) -> Region:
    """Three types in three zones, on demand and spot at a third of the price."""
    offerings = tuple(
        Offering(
            OfferingKey(Cloud.AWS, REGION, f"{REGION}{zone}", type_, market),
            Size(cpus, gib * 1024),
            Decimal(price) / (4 if market is CapacityType.SPOT else 1),
        )
        for type_, (cpus, gib, price) in TYPES.items()
        for zone in "abc"
        for market in CapacityType
    )
    region = Region(
        name=REGION,
        zones=tuple(f"{REGION}{zone}" for zone in "abc"),
        offerings=offerings,
        quotas=(
            Quota("L-1216C47A", "Running On-Demand instances", "vCPU", 64, 0),
            Quota("L-34B43A08", "All Spot Instance Requests", "vCPU", 64, 0),
            Quota("L-0263D0A3", "EC2-VPC Elastic IPs", "addresses", 5, 0),
            Quota("L-F678F1CE", "VPCs per Region", "networks", 5, 0),
        ),
        images={"amd64": "ami-1"},
        address_price=Decimal("0.005"),
        disk_price=Decimal("0.0001"),
    )
    return replace(region, **changes)


def a_request(number: int, role: Role = Role.WORKER, **changes: Any) -> NodeRequest:
    shape = Shape.MEDIUM if role is Role.CONTROL_PLANE else Shape.SMALL
    letter = "c" if role is Role.CONTROL_PLANE else "d"
    identity = RequestId(f"{letter}{number:03d}0000-bbbb-4bbb-8bbb-222222222222")
    return replace(NodeRequest(identity, role, Cloud.AWS, shape), **changes)


def a_spec(control_planes: int = 1, workers: int = 3, **changes: Any) -> ClusterSpec:
    spec = ClusterSpec(
        name="Web Shop",
        region="eu-central",
        kubernetes_version="1.37.2",
        clouds=(CloudSpec(Cloud.AWS, KEYS, REGION, IPv4Network("10.10.0.0/16")),),
        nodes=(
            *(a_request(n, Role.CONTROL_PLANE) for n in range(control_planes)),
            *(a_request(n) for n in range(workers)),
        ),
    )
    return replace(spec, **changes)


def a_cluster(control_planes: int = 1, workers: int = 3, **changes: Any) -> Cluster:
    cluster = Cluster(
        id=ONE,
        spec=a_spec(control_planes, workers),
        generation=1,
        observed_generation=0,
        revision=1,
        phase=ClusterPhase.CREATING,
        created_at=AT - HOUR,
    )
    return replace(cluster, **changes)


def a_machine(request: NodeRequest, **changes: Any) -> Machine:
    """A machine as it was chosen; in the first zone unless told otherwise."""
    identity = MachineId(request.id)
    type_ = "t3.large" if request.role is Role.CONTROL_PLANE else "t3.medium"
    machine = Machine(
        id=identity,
        cluster=ONE,
        request=request.id,
        name=names.host("Web Shop", ONE, Cloud.AWS, identity),
        role=request.role,
        offering=OfferingKey(Cloud.AWS, REGION, f"{REGION}a", type_, CapacityType.ON_DEMAND),
        image="ami-1",
        disk_gib=30,
        kubernetes_version="1.37.2",
        attempt=1,
        token=f"token-{identity}",
        nonce_hash="hash",
        chosen_at=AT - HOUR,
    )
    return replace(machine, **changes)


def joined(request: NodeRequest, **changes: Any) -> Machine:
    """A machine that is up and whose node is ready."""
    past = AT - 30 * MINUTE
    facts: dict[str, Any] = {
        "provider_id": ProviderId(f"i-{request.id[:8]}"),
        "private_ip": "10.10.0.4",
        "public_ip": "198.51.100.4",
        "launched_at": past,
        "registered_at": past,
        "joining_at": past,
        "joined_at": past,
        "ready_at": past,
    }
    return a_machine(request, **(facts | changes))


def written_off(request: NodeRequest, **changes: Any) -> Machine:
    """A replaced machine of the same request."""
    identity = MachineId("e" + request.id[1:])
    facts: dict[str, Any] = {
        "id": identity,
        "name": f"lost-{request.id[:8]}",
        "provider_id": ProviderId(f"i-old-{request.id[:8]}"),
        "written_off_at": AT - MINUTE,
        "written_off_reason": "lost",
    }
    return joined(request, **(facts | changes))


def seen(resource: Resource, life: Life = Life.PRESENT, **changes: Any) -> Seen:
    """A thing of the cluster as the cloud shows it."""
    what = Seen(
        resource=resource,
        id=ProviderId(f"id-{resource.name}"),
        life=life,
        cluster=ONE,
        installation=HERE,
        created_at=AT - HOUR,
    )
    return replace(what, **changes)


def a_node(name: str, *, ready: bool | None = True, since: datetime | None = None) -> Node:
    return Node(name, f"uid-{name}", ready, since or AT - HOUR, False, None, "10.10.0.4")


@dataclass(frozen=True)
class World:
    """A cluster and all that one pass sees of it."""

    cluster: Cluster
    observed: Observed
    wanted: Mapping[ResourceName, Resource] = field(default_factory=dict)

    def without(self, *gone: ResourceName | str) -> "World":
        """The same, with these things out of sight."""
        things = {n: s for n, s in self.observed.things.items() if n not in gone}
        return self.see(things=things)

    def with_things(self, *found: Seen) -> "World":
        """The same, with these things as they are given."""
        return self.see(things={**self.observed.things, **{s.resource.name: s for s in found}})

    def see(self, **changes: Any) -> "World":
        """The same, seen differently."""
        return replace(self, observed=replace(self.observed, **changes))

    def with_machines(self, *machines: Machine) -> "World":
        """The same, with these machines as they are given."""
        return self.see(machines={**self.observed.machines, **{m.id: m for m in machines}})

    @property
    def machines(self) -> tuple[Machine, ...]:
        return tuple(self.observed.machines.values())

    def of(self, role: Role) -> list[Machine]:
        return [m for m in self.machines if m.role is role]


def a_world(control_planes: int = 1, workers: int = 3, **changes: Any) -> World:
    """A cluster that is up: everything is there, all nodes are ready."""
    cluster = a_cluster(
        control_planes, workers, phase=ClusterPhase.READY, endpoint="198.51.100.1", **changes
    )
    members = {
        m.id: m
        for n, request in enumerate(cluster.spec.nodes)
        for m in [joined(request, joined_at=AT - 30 * MINUTE + n * SECOND)]
    }
    agents = {m: AgentSeen(AT - SECOND, late=False) for m in members}
    observed = Observed(machines=members, agents=agents)
    holder = control_plane.endpoint_holder(observed, Cloud.AWS)
    wanted = desired.resources(replace(cluster, delete_asked_at=None), members, holder)
    nodes = {m.name: a_node(m.name) for m in members.values()}
    things = {name: _shown(resource, members.values()) for name, resource in wanted.items()}
    kube = KubeSeen(nodes, system_ready=True, version="v1.37.2")
    return World(cluster, replace(observed, things=things, kube=kube), wanted)


def _shown(resource: Resource, machines: Iterable[Machine]) -> Seen:
    if not isinstance(resource, VirtualMachine):
        return seen(resource)
    machine = next(m for m in machines if m.id == resource.machine)
    return replace(
        seen(resource),
        id=machine.provider_id or ProviderId("i-x"),
        private_ip=machine.private_ip,
        public_ip=machine.public_ip,
    )


def vm_of(world: "World", like: Machine, machine: Machine, life: Life) -> Seen:
    """The VM of a machine, made like that of another one."""
    thing = world.observed.things[like.resource]
    assert isinstance(thing.resource, VirtualMachine)
    vm = replace(thing.resource, name=machine.resource, machine=machine.id)
    return replace(thing, resource=vm, life=life, id=machine.provider_id or ProviderId("i-y"))


def deleting(world: World, since: timedelta = MINUTE) -> World:
    """The same cluster, being deleted: its machines are fenced."""
    asked = AT - since
    cluster = replace(world.cluster, delete_asked_at=asked, phase=ClusterPhase.DELETING)
    fenced = {m.id: replace(m, written_off_at=asked) for m in world.machines}
    return replace(world, cluster=cluster).see(machines=fenced, kube=None)


def a_market(**changes: Any) -> Market:
    return replace(Market({Cloud.AWS: a_region()}), **changes)


def identities(*used: MachineId) -> Identities:
    """New machines get 00010000-..., 00020000-..., and so on."""
    made = iter(range(1, 0xFFFF))
    return Identities(
        lambda _: MachineId(f"{next(made):04x}0000-cccc-4ccc-8ccc-444444444444"),
        lambda machine: f"hash of {machine}",
        used,
    )
