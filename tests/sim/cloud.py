"""A simulated cloud in a test's hand: one account, one cluster's things, virtual time."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ipaddress import IPv4Network
from typing import Any

from holdfast.model import names
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
from holdfast.model.observed import Blind, Foreign, Life, Seen
from holdfast.model.offering import CapacityType, Cloud, OfferingKey, Shape
from holdfast.model.resource import Resource, Role, VirtualMachine, needs
from holdfast.model.spec import CloudSpec, ClusterSpec, NodeRequest
from holdfast.model.status import ClusterPhase
from holdfast.planner import desired
from holdfast.providers import errors
from holdfast.providers.limits import Limits
from holdfast.providers.port import Creation, Scope
from holdfast.providers.sim import sale, truth
from holdfast.providers.sim.effects import Effects
from holdfast.providers.sim.faults import Fault, Kind
from holdfast.providers.sim.provider import Care, SimProvider, SimProviders
from holdfast.providers.sim.strangers import Stranger
from holdfast.providers.sim.world import Happening, Settings, World
from holdfast.simulation.time import VirtualClock, run

INSTALLATION = InstallationId("11111111-1111-4111-8111-111111111111")
CLUSTER = ClusterId("22222222-2222-4222-8222-222222222222")
NOW = datetime(2026, 3, 1, tzinfo=UTC)
SOLD = {  # region, zone, instance type
    Cloud.AWS: ("eu-central-1", "eu-central-1a", "t3a.medium"),
    Cloud.GCP: ("europe-west3", "europe-west3-a", "e2-medium"),
    Cloud.AZURE: ("germanywestcentral", "1", "Standard_B2ls_v2"),
    Cloud.DO: ("fra1", "fra1", "s-2vcpu-4gb"),
}
CLOUDS = list(Cloud)

Things = Mapping[ResourceName, Seen]
Wanted = dict[ResourceName, Resource]


@dataclass
class Told:
    """A witness that remembers."""

    happenings: list[Happening] = field(default_factory=list)

    def happened(self, happening: Happening) -> None:
        self.happenings.append(happening)

    def whats(self) -> list[str]:
        return [one.what for one in self.happenings]


class Sim:
    """One cluster in one simulated cloud."""

    def __init__(
        self,
        cloud: Cloud = Cloud.AWS,
        settings: Settings | None = None,
        *,
        effects: Effects | None = None,
        care: Care | None = None,
        limits: bool = False,
    ) -> None:
        self.cloud = cloud
        self.region, self.zone, self.type = SOLD[cloud]
        self.clock = VirtualClock()
        self.world = World(self.clock, settings or Settings(seed=1, rates=False), effects)
        self.account = self.world.add_account(cloud, "123456789012")
        self.site = self.account.site(self.region)
        self.care = care
        self.providers = SimProviders(self.world, Limits(self.clock) if limits else None, care)
        self.cluster = CLUSTER
        self.tags: tuple[tuple[str, str], ...] = (("team", "shop"),)
        self.told = Told()
        self.world.witnesses.append(self.told)

    @property
    def scope(self) -> Scope:
        return Scope(INSTALLATION, self.cluster, "Demo", self.region, self.tags)

    @property
    def provider(self) -> SimProvider:
        return self.providers.provider(self.cloud, self.account.keys[0].secret)

    @property
    def stranger(self) -> Stranger:
        return Stranger(self.world, self.site)

    def name(self, *parts: str) -> ResourceName:
        return desired.name(self.cloud, *parts)

    def machine(self, number: int) -> ResourceName:
        return names.machine(self.cloud, _machine_id(number))

    # What shall be there

    def wanted(self, workers: int = 1, *, spot: bool = False) -> Wanted:
        first = self._machine(0, Role.CONTROL_PLANE, spot=False)
        others = [self._machine(n + 1, Role.WORKER, spot=spot) for n in range(workers)]
        machines = {machine.id: machine for machine in (first, *others)}
        return dict(desired.resources(self._cluster(), machines, first))

    def _cluster(self) -> Cluster:
        cloud = CloudSpec(
            self.cloud, CredentialsId("key"), self.region, IPv4Network("10.10.0.0/16")
        )
        request = NodeRequest(RequestId("r"), Role.CONTROL_PLANE, self.cloud, Shape.MEDIUM)
        spec = ClusterSpec("Demo", "eu-central", "1.37.0", (cloud,), (request,))
        return Cluster(self.cluster, spec, 1, 0, 1, ClusterPhase.CREATING, NOW)

    def _machine(self, number: int, role: Role, *, spot: bool) -> Machine:
        market = CapacityType.SPOT if spot else CapacityType.ON_DEMAND
        return Machine(
            id=_machine_id(number),
            cluster=self.cluster,
            request=RequestId(str(number)),
            name=f"demo-{self.cluster[:8]}-{number}",
            role=role,
            offering=OfferingKey(self.cloud, self.region, self.zone, self.type, market),
            image=sale.region(self.world, self.site).images["amd64"],
            disk_gib=20,
            kubernetes_version="1.37.0",
            attempt=1,
            token="",
            nonce_hash="",
            chosen_at=NOW,
        )

    # What a pass does

    async def see(self) -> Sequence[Seen | Blind | Foreign]:
        return await self.provider.observe(self.scope, self.cluster)

    async def things(self) -> Things:
        found = [one for one in await self.see() if isinstance(one, Seen)]
        return {one.resource.name: one for one in found if one.life is not Life.GONE}

    async def blind(self) -> dict[str, str]:
        found = [one for one in await self.see() if isinstance(one, Blind)]
        return {kind: one.error for one in found for kind in one.kinds}

    async def make(self, resource: Resource, seen: Things, **changes: Any) -> None:
        known = {name: one.id for name, one in seen.items()}
        owner = MachineId(f"{self.cluster}/{resource.name}")
        token = names.client_token(owner, 1, self.type)
        payload = b"#cloud-config\n" if isinstance(resource, VirtualMachine) else None
        creation = replace(Creation(resource, token, known, payload), **changes)
        await self.provider.create(self.scope, creation)

    async def build(self, wanted: Wanted) -> Things:
        for _ in range(40):
            seen = await self.things()
            present = {n for n, one in seen.items() if one.life is Life.PRESENT}
            if wanted.keys() <= present:
                return seen
            for resource in wanted.values():
                if resource.name not in seen and needs(resource) <= present:
                    await self.make(resource, seen)
            await self.clock.sleep(10)
        raise AssertionError(f"not built: {sorted(wanted.keys() - present)}")

    async def build_network(self) -> tuple[Wanted, Things]:
        wanted = self.wanted()
        network = {n: one for n, one in wanted.items() if not _is_late(one)}
        return wanted, await self.build(network)

    async def tear_down(self) -> list[errors.DependencyHeld]:
        for _ in range(40):
            seen = await self.things()
            refused = []
            for name, one in seen.items():
                if not any(name in needs(other.resource) for other in seen.values()):
                    try:
                        await self.provider.delete(self.scope, one)
                    except errors.DependencyHeld as error:
                        refused.append(error)
            await self.clock.sleep(60)
            if len(await self.things()) in (0, len(seen)):
                return refused
        raise AssertionError(f"not gone: {sorted(seen)}")

    # Past the platform

    def fault(self, kind: Kind, **fields: Any) -> str:
        return self.world.faults.add(Fault(kind, **fields))

    def count(self, kind: str) -> int:
        return sum(thing.kind == kind for _, thing in truth.ours(self.world, INSTALLATION))

    def id_of(self, name: ResourceName) -> ProviderId:
        (found,) = [
            thing.id
            for _, thing in truth.ours(self.world, INSTALLATION, self.cluster)
            if thing.owner is not None and thing.owner.name == name
        ]
        return found


def _machine_id(number: int) -> MachineId:
    return MachineId(f"{number:08d}-3333-4333-8333-333333333333")


def _is_late(resource: Resource) -> bool:
    """Machines, and what waits for one."""
    return any("/machine/" in name for name in (resource.name, *needs(resource)))


Story = Callable[[], Coroutine[Any, Any, None]]


def play(story: Story) -> None:
    """Run a story on virtual time."""
    run(story())
