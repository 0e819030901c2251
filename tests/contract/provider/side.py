"""One side of the provider contract: a provider, the cloud behind it, and one cluster's things."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import IPv4Network
from typing import Any

import boto3

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
from holdfast.model.resource import AddressBinding, Resource, Role, VirtualMachine, needs
from holdfast.model.spec import CloudSpec, ClusterSpec, NodeRequest
from holdfast.model.status import ClusterPhase
from holdfast.planner import desired
from holdfast.providers import errors
from holdfast.providers.connect import Connections
from holdfast.providers.port import Creation, Provider, Scope
from holdfast_sandbox.aws.emulator import Emulator, Keys
from holdfast_sandbox.aws.faults import Fault
from holdfast_sandbox.aws.simulated import SimulatedMachines

INSTALLATION = InstallationId("11111111-1111-4111-8111-111111111111")
CLUSTER = ClusterId("22222222-2222-4222-8222-222222222222")
OTHER_CLUSTER = ClusterId("99999999-2222-4222-8222-222222222222")
ACCOUNT = "123456789012"
REGION = "eu-central-1"
ZONE = "eu-central-1a"
NOW = datetime(2026, 3, 1, tzinfo=UTC)

Wanted = Mapping[ResourceName, Resource]
Things = Mapping[ResourceName, Seen]


def name(*parts: str) -> ResourceName:
    """A resource's name as the planner makes it: `name("subnet", ZONE)`."""
    return desired.name(Cloud.AWS, *parts)


def machine_name(number: int) -> ResourceName:
    return names.machine(Cloud.AWS, machine_id(number))


def machine_id(number: int) -> MachineId:
    return MachineId(f"{number:08d}-3333-4333-8333-333333333333")


@dataclass
class Side:
    """What a test holds: the port, the platform's simplest pass, and a hand past the platform."""

    cloud: Cloud
    emulator: Emulator
    machines: SimulatedMachines
    url: str
    keys: Keys
    owner: Keys  # of a user with every right
    connections: Connections
    scope: Scope
    image: str = ""
    payload: bytes = b"#cloud-config\n"

    @property
    def secret(self) -> dict[str, str]:
        return {"accessKeyId": self.keys.access_key, "secretAccessKey": self.keys.secret_key}

    @property
    def provider(self) -> Provider:
        return self.connections.provider(self.cloud, self.secret)

    # What shall be there

    def wanted(self, workers: int = 1, *, spot: bool = False) -> dict[ResourceName, Resource]:
        """Everything that the planner wants of a cluster with one control plane."""
        first = self._machine(0, Role.CONTROL_PLANE, spot=False)
        others = [self._machine(n + 1, Role.WORKER, spot=spot) for n in range(workers)]
        machines = {machine.id: machine for machine in (first, *others)}
        return dict(desired.resources(self._cluster(), machines, first))

    def _cluster(self) -> Cluster:
        cloud = CloudSpec(self.cloud, CredentialsId("key"), REGION, IPv4Network("10.10.0.0/16"))
        request = NodeRequest(RequestId("r"), Role.CONTROL_PLANE, self.cloud, Shape.MEDIUM)
        spec = ClusterSpec("Demo", "eu-central", "1.37.0", (cloud,), (request,))
        return Cluster(self.scope.cluster, spec, 1, 0, 1, ClusterPhase.CREATING, NOW)

    def _machine(self, number: int, role: Role, *, spot: bool) -> Machine:
        market = CapacityType.SPOT if spot else CapacityType.ON_DEMAND
        return Machine(
            id=machine_id(number),
            cluster=self.scope.cluster,
            request=RequestId(str(number)),
            name=f"demo-{number}",
            role=role,
            offering=OfferingKey(self.cloud, REGION, ZONE, "t3a.medium", market),
            image=self.image,
            disk_gib=20,
            kubernetes_version="1.37.0",
            attempt=1,
            token="",
            nonce_hash="",
            chosen_at=NOW,
        )

    # What a pass of the platform does

    async def see(self) -> Sequence[Seen | Blind | Foreign]:
        return await self.provider.observe(self.scope, self.scope.cluster)

    async def blind(self) -> dict[str, str]:
        """Kind that could not be read -> class of the error."""
        found = [one for one in await self.see() if isinstance(one, Blind)]
        return {kind: blind.error for blind in found for kind in blind.kinds}

    async def foreign(self) -> list[Foreign]:
        return [one for one in await self.see() if isinstance(one, Foreign)]

    async def things(self) -> Things:
        """Living things by name; asserts that nothing is blind and no name is there twice."""
        seen = await self.see()
        assert [one for one in seen if isinstance(one, Blind)] == []
        living = [one for one in seen if isinstance(one, Seen) and one.life is not Life.GONE]
        found = {one.resource.name: one for one in living}
        assert len(found) == len(living), "a thing is there twice"
        return found

    async def make(self, resource: Resource, seen: Things) -> None:
        """One create, with the token that belongs to the thing's intent."""
        payload = self.payload if isinstance(resource, VirtualMachine) else None
        known = {name: one.id for name, one in seen.items()}
        intent = MachineId(f"{self.scope.cluster}/{resource.name}")
        token = names.client_token(intent, 1, "t3a.medium")
        await self.provider.create(self.scope, Creation(resource, token, known, payload))

    async def build_network(self) -> tuple[Wanted, Things]:
        """All but the machines; returns everything wanted, and what is there."""
        wanted = self.wanted()
        network = {
            n: one
            for n, one in wanted.items()
            if not isinstance(one, VirtualMachine | AddressBinding)
        }
        return wanted, await self.build(network)

    async def build(self, wanted: Wanted, refusals: int = 0) -> Things:
        """Create what is wanted, each thing when its needs are there; returns all of it.

        `refusals` is how many creates may be refused on the way.
        """
        refused: list[errors.ProviderError] = []
        for _ in range(30):
            self.settle()
            seen = await self.things()
            present = {n for n, one in seen.items() if one.life is Life.PRESENT}
            if wanted.keys() <= present:
                return seen
            for broken in [one for one in seen.values() if one.life is Life.FAILED]:
                await self.provider.delete(self.scope, broken)
            for resource in wanted.values():
                if resource.name not in seen and needs(resource) <= present:
                    try:
                        await self.make(resource, seen)
                    except errors.ProviderError as error:
                        refused.append(error)
            assert len(refused) <= refusals, refused
        raise AssertionError(f"not built: {sorted(wanted.keys() - present)}; {refused}")

    async def tear_down(self) -> list[errors.DependencyHeld]:
        """Delete what nothing needs, until all is gone or nothing changes; returns refusals."""
        for _ in range(30):
            self.settle()
            seen = await self.things()
            refused = []
            for n, one in seen.items():
                if one.life is not Life.LEAVING and not any(
                    n in needs(other.resource) for other in seen.values()
                ):
                    try:
                        await self.provider.delete(self.scope, one)
                    except errors.DependencyHeld as error:
                        refused.append(error)
            self.settle()
            if len(await self.things()) in (0, len(seen)):
                return refused
        raise AssertionError(f"not gone: {sorted(seen)}")

    # Past the platform

    def settle(self) -> None:
        """Let the cloud finish what is under way."""
        self.machines.settle(self.emulator)

    def living(self, cluster: ClusterId | None = None) -> list[dict[str, Any]]:
        """What the cloud itself says is there with a cluster's tag."""
        return self.emulator.truth(names.TAG_CLUSTER, cluster or self.scope.cluster)

    def count(self, kind: str) -> int:
        """How many things of a kind, by the cloud's word, carry the cluster's tag."""
        return sum(1 for one in self.living() if one["kind"] == kind)

    def changes(self) -> int:
        """How many mutating calls the cloud has counted."""
        return len(self.emulator.record.entries)

    def fault(self, fault: Fault) -> str:
        return self.emulator.faults.add(fault)

    def stranger(self, service: str = "ec2") -> Any:
        """The SDK in the hands of somebody else with a key of the same account."""
        return boto3.client(  # type: ignore[call-overload]
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id=self.owner.access_key,
            aws_secret_access_key=self.owner.secret_key,
        )

    def stranger_ends(self, machine: str) -> None:
        """Somebody else ends a machine."""
        self.stranger().terminate_instances(InstanceIds=[machine])

    def stranger_revokes(self, rule: Seen, group: Seen) -> None:
        """Somebody else takes an ingress rule out of a group of ours."""
        self.stranger().revoke_security_group_ingress(
            GroupId=group.id, SecurityGroupRuleIds=[rule.id]
        )

    def of_other_cluster(self) -> "Side":
        """The same account and installation, another cluster."""
        return replace(self, scope=replace(self.scope, cluster=OTHER_CLUSTER))

    def stranger_machine(self, seen: Things, *, group: ProviderId | None = None) -> str:
        """A machine that somebody else starts in our subnet, in our group unless given another."""
        started = self.stranger().run_instances(
            ImageId=self.image,
            InstanceType="t3a.medium",
            MinCount=1,
            MaxCount=1,
            SubnetId=seen[name("subnet", ZONE)].id,
            SecurityGroupIds=[group or seen[name("firewall", "worker")].id],
            TagSpecifications=[
                {
                    "ResourceType": "instance",
                    "Tags": [{"Key": "team", "Value": "ops"}, {"Key": "Name", "Value": "web"}],
                }
            ],
        )
        self.settle()
        return str(started["Instances"][0]["InstanceId"])
