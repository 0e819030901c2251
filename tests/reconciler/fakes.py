"""Small honest stand-ins: a cloud, the machines in it, and the cluster's API that they make.

They outlive the platform: a test lets a platform die and starts another on the same store.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count

from tests.core.planner.build import a_node, a_region

from holdfast.clock import Clock
from holdfast.kube.port import KubeAccess, KubeUnreachable
from holdfast.model.account import Account, Region
from holdfast.model.ids import ClusterId, MachineId, ProviderId, ResourceName
from holdfast.model.observed import Blind, Foreign, KubeSeen, Life, Seen
from holdfast.model.resource import (
    Address,
    AddressBinding,
    Resource,
    VirtualMachine,
    is_doubled_by_repeat,
    needs,
)
from holdfast.model.workload import Node, Pod
from holdfast.providers import errors
from holdfast.providers.port import Creation, Scope

LIVING = {Life.PENDING, Life.PRESENT}
BOOT, SHUTDOWN = timedelta(seconds=2), timedelta(seconds=3)


class Crash(BaseException):
    """The process dies here."""


@dataclass
class Effects:
    """Counts what changes something outside, and lets the process die at one of them."""

    at: int = -1
    mode: str = "before"
    log: list[str] = field(default_factory=list)

    async def around(self, label: str, act: Callable[[], object]) -> None:
        number = len(self.log)
        self.log.append(label)
        if number == self.at and self.mode == "before":
            raise Crash(label)
        act()
        await asyncio.sleep(0)
        if number == self.at:
            raise Crash(label)


@dataclass
class FakeCloud:
    """One account in one region. `refuse` may raise for (verb, name) before anything happens."""

    clock: Clock
    effects: Effects = field(default_factory=Effects)
    truth: dict[ProviderId, Seen] = field(default_factory=dict)
    foreign: tuple[Foreign, ...] = ()
    refuse: Callable[[str, str], None] = lambda verb, name: None
    loses: Callable[[str], bool] = lambda name: False  # the answer to a create, after its effect
    lag: timedelta = timedelta()
    region: Region = field(default_factory=a_region)
    tokens: dict[ResourceName, set[str]] = field(default_factory=dict)
    payloads: dict[MachineId, bytes] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    before_create: Callable[[Creation], Awaitable[None]] | None = None
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    async def check(self, region: str) -> Account:
        self.calls.append("check")
        self.refuse("check", region)
        return Account("111111111111", "arn:aws:iam::111111111111:user/holdfast", (region,))

    async def catalogue(self, region: str) -> Region:
        self.calls.append("catalogue")
        self.refuse("catalogue", region)
        return self.region

    async def observe(
        self, scope: Scope, cluster: ClusterId | None
    ) -> Sequence[Seen | Blind | Foreign]:
        self.calls.append("observe" if cluster else "observe all")
        self.refuse("observe", cluster or "")
        await asyncio.sleep(0)
        self._age()
        now = self.clock.now()
        shown = [s for s in self.truth.values() if now - (s.created_at or now) >= self.lag]
        mine = [s for s in shown if cluster is None or s.cluster == cluster]
        return (*mine, *(self.foreign if cluster else ()))

    async def create(self, scope: Scope, creation: Creation) -> None:
        resource = creation.resource
        self.calls.append(f"create {resource.name}")
        if self.before_create is not None:
            await self.before_create(creation)
        self.tokens.setdefault(resource.name, set()).add(creation.token)
        self.refuse("create", resource.name)
        absent = [name for name in needs(resource) if not self.living(name)]
        assert not absent, f"create {resource.name} before {absent}"
        if isinstance(resource, VirtualMachine):
            self.payloads[resource.machine] = creation.payload or b""
        await self.effects.around(f"create {resource.name}", lambda: self._make(scope, resource))
        if self.loses(resource.name):
            raise errors.OutcomeUnknown(f"create {resource.name}", "", "no answer")

    async def delete(self, scope: Scope, thing: Seen) -> None:
        self.calls.append(f"delete {thing.resource.name}")
        self.refuse("delete", thing.resource.name)
        assert thing.cluster == scope.cluster
        present = self.truth.get(thing.id)
        if present is None or present.life is Life.GONE:
            return
        name = present.resource.name
        users = [s.id for s in self.truth.values() if self._uses(s, name)]
        holders = [f for f in self.foreign if name in f.holds]
        if users or holders:
            told = ", ".join([*users, *(f.id for f in holders)])
            raise errors.DependencyHeld(f"delete {name}", "DependencyViolation", told)
        await self.effects.around(f"delete {name}", lambda: self._take(present))

    async def console(self, scope: Scope, machine: ProviderId) -> str:
        return ""

    def living(self, name: ResourceName) -> list[Seen]:
        return [s for s in self.truth.values() if s.resource.name == name and s.life in LIVING]

    def left(self) -> list[Seen]:
        return [s for s in self.truth.values() if s.life is not Life.GONE]

    def machines(self) -> list[Seen]:
        """The VMs that are there, in any state but terminated."""
        return [s for s in self.left() if isinstance(s.resource, VirtualMachine)]

    def kill(self, machine: MachineId) -> None:
        """The cloud takes it and says so."""
        for identity, thing in self.truth.items():
            if getattr(thing.resource, "machine", None) == machine:
                self.truth[identity] = replace(thing, life=Life.GONE, evidence="terminated")

    def _uses(self, user: Seen, name: ResourceName) -> bool:
        alone = len(self.living(name)) <= 1  # a second copy has no users
        return alone and user.life is not Life.GONE and name in needs(user.resource)

    def _make(self, scope: Scope, resource: Resource) -> None:
        if self.living(resource.name) and not is_doubled_by_repeat(resource):
            return
        number = next(self._numbers)
        is_machine = isinstance(resource, VirtualMachine)
        has_address = isinstance(resource, Address) or is_machine
        thing = Seen(
            resource=resource,
            id=ProviderId(f"id-{number:04d}"),
            life=Life.PENDING if is_machine else Life.PRESENT,
            cluster=scope.cluster,
            installation=scope.installation,
            created_at=self.clock.now(),
            private_ip=f"10.10.0.{number}" if is_machine else None,
            public_ip=f"198.51.100.{number}" if has_address else None,
        )
        self.truth[thing.id] = thing

    def _take(self, thing: Seen) -> None:
        if isinstance(thing.resource, VirtualMachine):
            self.truth[thing.id] = replace(thing, life=Life.LEAVING, created_at=self.clock.now())
        else:
            del self.truth[thing.id]

    def _age(self) -> None:
        now = self.clock.now()
        for identity, thing in list(self.truth.items()):
            age = now - (thing.created_at or now)
            if thing.life is Life.PENDING and age >= BOOT:
                self.truth[identity] = replace(thing, life=Life.PRESENT)
            if thing.life is Life.LEAVING and age >= SHUTDOWN:
                self.truth[identity] = replace(thing, life=Life.GONE, evidence="terminated")


@dataclass
class FakeKubernetes:
    """What the machines made: members of etcd, nodes, pods. Its API is up while a member lives."""

    clock: Clock
    members: set[MachineId] = field(default_factory=set)
    nodes: dict[str, Node] = field(default_factory=dict)
    pods: list[Pod] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)  # pods that a PodDisruptionBudget keeps
    is_up: bool = True
    cordoned: set[str] = field(default_factory=set)
    accesses: list[KubeAccess] = field(default_factory=list)
    closed: int = 0
    news: "asyncio.Queue[str | Exception]" = field(default_factory=asyncio.Queue)

    def client(self, access: KubeAccess) -> "FakeKube":
        self.accesses.append(access)
        return FakeKube(self)

    def join(self, machine: MachineId, name: str, *, is_member: bool) -> None:
        if is_member:
            self.members.add(machine)
        self.nodes[name] = a_node(name, since=self.clock.now())


class FakeKube:
    """One client."""

    def __init__(self, truth: FakeKubernetes) -> None:
        self._truth = truth

    def _answer(self) -> None:
        if not self._truth.is_up or not self._truth.members:
            raise KubeUnreachable("connect: refused")

    async def look(self) -> KubeSeen:
        self._answer()
        return KubeSeen(dict(self._truth.nodes), system_ready=True, version="v1.37.2")

    async def delete_node(self, name: str) -> None:
        self._answer()
        self._truth.nodes.pop(name, None)

    async def cordon(self, name: str) -> None:
        self._answer()
        self._truth.cordoned.add(name)

    async def pods_on(self, node: str) -> tuple[Pod, ...]:
        self._answer()
        return tuple(pod for pod in self._truth.pods if pod.node == node)

    async def evict(self, pod: Pod) -> bool:
        self._answer()
        if pod.name in self._truth.kept:
            return False
        self._truth.pods.remove(pod)
        return True

    async def changes(self) -> AsyncIterator[str]:
        while True:
            news = await self._truth.news.get()
            if isinstance(news, Exception):
                raise news
            yield news

    async def close(self) -> None:
        self._truth.closed += 1


def endpoint_of(cloud: FakeCloud) -> MachineId | None:
    """The machine that the users' address leads to."""
    bindings = [s.resource for s in cloud.left() if isinstance(s.resource, AddressBinding)]
    return MachineId(bindings[0].machine.rpartition("/")[2]) if bindings else None
