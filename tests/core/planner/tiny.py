"""A tiny world in memory: one cloud, one cluster, machines that join; faults on request.

It keeps the truth and checks at every action what must never happen: a thing made before its
needs, a foreign thing touched, an etcd quorum broken, a wanted machine taken without a reason.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count

from tests.core.planner.build import AT, HERE, a_node, a_region, identities, seen
from tests.core.planner.memory import Memory

from holdfast.model.action import (
    Action,
    Create,
    Delete,
    DeleteNode,
    Drain,
    Plan,
    RemoveMember,
    Result,
)
from holdfast.model.cluster import Cluster
from holdfast.model.ids import MachineId, ProviderId, ResourceName
from holdfast.model.machine import Machine
from holdfast.model.observed import (
    AgentSeen,
    Blind,
    Foreign,
    KubeSeen,
    Life,
    Observed,
    Seen,
)
from holdfast.model.offering import Cloud, OfferingKey
from holdfast.model.resource import (
    Address,
    FirewallRule,
    Resource,
    Role,
    VirtualMachine,
    is_doubled_by_repeat,
    needs,
)
from holdfast.model.workload import Pod
from holdfast.planner import check, control_plane
from holdfast.planner.decision import decide
from holdfast.planner.facts import learned
from holdfast.planner.machines import Identities, Market, choose
from holdfast.planner.pace import Pauses, after, paced
from holdfast.planner.rules import Rules

TICK = timedelta(seconds=5)
RULES = Rules(
    windows=dict.fromkeys(Cloud, 2 * TICK),
    join_deadline=40 * TICK,
    unhealthy_after=20 * TICK,
    listing_gap=TICK,
)
LIVING = {Life.PENDING, Life.PRESENT}


@dataclass
class Tiny:
    """The truth, and what a platform remembers of it."""

    cluster: Cluster
    now: datetime = AT
    machines: dict[MachineId, Machine] = field(default_factory=dict)
    truth: dict[ProviderId, Seen] = field(default_factory=dict)
    foreign: tuple[Foreign, ...] = ()
    blind: frozenset[str] | None = None  # kinds; empty means all; None: everything is visible
    losing: bool = False  # answers of creates are lost, after the effect
    lagging: bool = False  # a new thing shows only with the next listing but one
    refusals: int = 0  # of deletes that came before those of their users
    sold_out: set[OfferingKey] = field(default_factory=set)
    members: set[MachineId] = field(default_factory=set)  # of etcd
    nodes: set[str] = field(default_factory=set)
    cordoned: set[str] = field(default_factory=set)
    silent: set[MachineId] = field(default_factory=set)  # agents that are cut off
    memory: Memory = field(default_factory=Memory)
    pauses: Pauses = field(default_factory=dict)
    killed: set[MachineId] = field(default_factory=set)
    made: int = 0
    _ids: "count[int]" = field(default_factory=lambda: count(1))
    _fresh: Identities = field(default_factory=identities)

    def step(self) -> Plan:
        """One pass and the time until the next one."""
        plan = self._pass()
        self._live()
        self.now += TICK
        return plan

    def living(self, name: ResourceName) -> list[Seen]:
        return [s for s in self.truth.values() if s.resource.name == name and s.life in LIVING]

    def users(self, thing: Seen) -> list[Seen]:
        """What holds a thing in the cloud, those that are going included."""
        if len(self.living(thing.resource.name)) > 1:
            return []  # a second copy has no users: they all use the first one
        name = thing.resource.name
        return [
            s for s in self.truth.values() if s.life is not Life.GONE and name in needs(s.resource)
        ]

    # The platform

    def _pass(self) -> Plan:
        observed = self._observed()
        facts, _ = learned(observed, RULES, self.now)
        self._keep(facts)
        observed = replace(observed, machines=self._present())
        market = Market({Cloud.AWS: a_region()}, frozenset(self.sold_out))
        known = replace(self._fresh, used=tuple(self.machines))
        choice = choose(self.cluster, observed, market, known, RULES, self.now)
        self._keep(choice.changed)
        observed = replace(observed, machines=self._present())
        wanted = decide(self.cluster, observed.machines, observed, RULES, self.now)
        plan = paced(wanted, self.pauses, self.sold_out, self.now)
        check.invariants(plan, observed, self.cluster, HERE)
        for action in plan.actions:
            if isinstance(action, Create):
                self.memory.intend(action.resource.name, self.now, RULES)
        results = [self._do(action) for action in plan.actions]
        self.pauses = after(self.pauses, wanted.actions, results, self.now)
        self.cluster = replace(self.cluster, reconciled_at=self.now)
        return plan

    def _keep(self, changed: Collection[Machine]) -> None:
        self.machines |= {machine.id: machine for machine in changed}

    def _present(self) -> dict[MachineId, Machine]:
        return {m.id: m for m in self.machines.values() if m.gone_at is None}

    def _observed(self) -> Observed:
        shown = [s for s in self.truth.values() if not self._hides(s)]
        things: dict[ResourceName, Seen] = {}
        surplus = []
        for each in sorted(shown, key=lambda s: (s.life is Life.GONE, s.created_at, s.id)):
            if each.resource.name not in things:
                things[each.resource.name] = each
            elif each.life is not Life.GONE:
                surplus.append(each)
        self.memory.note(things.keys(), self.now, is_blind=self.blind is not None)
        blind = () if self.blind is None else (Blind(self.blind, "outage", "Unavailable"),)
        heard = {m for m in self.machines if m not in self.silent and self._runs(m)}
        return Observed(
            things=things,
            surplus=tuple(surplus),
            foreign=self.foreign,
            unsure=self.memory.unsure(things.keys(), self.now, RULES),
            blind=blind,
            machines=self._present(),
            agents={m: AgentSeen(self.now, m not in heard) for m in self.machines},
            kube=self._kube(),
        )

    def _hides(self, thing: Seen) -> bool:
        if self.lagging and self.now - (thing.created_at or AT) < 2 * TICK:
            return True
        kind = type(thing.resource).__name__
        return self.blind is not None and (not self.blind or kind in self.blind)

    # The cloud

    def _do(self, action: Action) -> Result:
        match action:
            case Create(resource=resource):
                return self._create(action, resource)
            case Delete():
                return self._delete(action)
            case DeleteNode(node=node):
                self.nodes.discard(node)
            case RemoveMember(lost=lost):
                self._remove_member(lost)
            case Drain(node=node):
                self.cordoned.add(node)
            case _:
                pass
        return Result(action)

    def _create(self, action: Create, resource: Resource) -> Result:
        absent = [n for n in needs(resource) if not self.living(n)]
        assert not absent, f"{resource.name} was made before {absent}"
        if isinstance(resource, VirtualMachine) and resource.offering in self.sold_out:
            self.memory.intents.pop(resource.name, None)
            return Result(action, "CapacityUnavailable", "sold out")
        for other in self.living(resource.name):
            age = self.now - (other.created_at or AT)
            is_doubled = is_doubled_by_repeat(resource)
            assert not is_doubled or age >= RULES.window(Cloud.AWS), f"{resource.name} twice"
        if not self.living(resource.name) or is_doubled_by_repeat(resource):
            life = Life.PENDING if isinstance(resource, VirtualMachine) else Life.PRESENT
            self.add(resource, life)
        if self.losing:
            return Result(action, "OutcomeUnknown", "no answer")
        return Result(action)

    def add(self, resource: Resource, life: Life = Life.PRESENT) -> None:
        """Something is there now, whoever made it."""
        number = next(self._ids)
        self.made += isinstance(resource, VirtualMachine)
        addresses = {"private_ip": f"10.10.0.{number}", "public_ip": f"198.51.100.{number}"}
        what = seen(
            resource, life, id=ProviderId(f"id-{number:05d}"), created_at=self.now, **addresses
        )
        self.truth[what.id] = what

    def _delete(self, action: Delete) -> Result:
        thing = action.seen
        present = self.truth.get(thing.id)
        if present is None or present.life is Life.GONE:
            return Result(action)
        name = present.resource.name
        held = any(name in f.holds for f in self.foreign) and len(self.living(name)) == 1
        if held or self.users(present):
            self.refusals += 1
            return Result(action, "DependencyHeld", f"{name} is in use")
        if isinstance(present.resource, VirtualMachine):
            self._may_take(present.resource)
            self.truth[thing.id] = replace(present, life=Life.LEAVING)
        else:
            del self.truth[thing.id]
        return Result(action)

    def _may_take(self, vm: VirtualMachine) -> None:
        """No action takes the quorum from etcd, unless all shall go."""
        machine = self.machines.get(vm.machine)
        if self.cluster.is_deleting or machine is None or vm.machine not in self.members:
            return
        living = [m for m in self.members if self._runs(m) and m != vm.machine]
        assert not machine.is_wanted or control_plane.has_quorum(len(living), len(self.members))

    def _remove_member(self, lost: MachineId) -> None:
        living = [m for m in self.members if self._runs(m)]
        machine = self.machines[lost]
        assert lost not in living or not machine.is_wanted or machine.drained_at is not None
        left = self.members - {lost}
        assert left, "no member would be left"
        assert control_plane.has_quorum(len([m for m in living if m in left]), len(left))
        self.members = left
        self._change(lost, member_removed_at=self.now)

    def _change(self, machine: MachineId, **facts: object) -> None:
        self.machines[machine] = replace(self.machines[machine], **facts)  # type: ignore[arg-type]

    # The machines

    def _runs(self, machine: MachineId) -> bool:
        vm = [s for s in self.truth.values() if getattr(s.resource, "machine", None) == machine]
        return any(s.life is Life.PRESENT for s in vm) and machine not in self.killed

    def _live(self) -> None:
        for identity, thing in list(self.truth.items()):
            match thing.life:
                case Life.PENDING:
                    self.truth[identity] = replace(thing, life=Life.PRESENT)
                case Life.LEAVING:
                    self.truth[identity] = replace(thing, life=Life.GONE)
                case Life.GONE if self.now - (thing.created_at or AT) > 400 * TICK:
                    del self.truth[identity]
                case _:
                    pass
        for machine in list(self._present().values()):
            if self._runs(machine.id) and machine.id not in self.silent and machine.private_ip:
                self._join(machine)

    def _join(self, machine: Machine) -> None:
        if machine.joined_at is not None:
            return
        if machine.joining_at is not None:
            if machine.role is Role.CONTROL_PLANE:
                self.members.add(machine.id)
            self.nodes.add(machine.name)
            self._change(machine.id, joined_at=self.now)
            return
        address = next((s for s in self.truth.values() if isinstance(s.resource, Address)), None)
        endpoint = None if address is None else "198.51.100.1"
        if control_plane.may_join(machine, list(self._present().values()), endpoint) is None:
            self._change(machine.id, joining_at=self.now)

    def _kube(self) -> KubeSeen | None:
        living = [m for m in self.members if self._runs(m)]
        if not self.members or not control_plane.has_quorum(len(living), len(self.members)):
            return None
        by_name = {m.name: m for m in self.machines.values()}
        nodes = {
            n: replace(
                a_node(n, ready=self._runs(by_name[n].id), since=AT),
                unschedulable=n in self.cordoned,
            )
            for n in self.nodes
        }
        pods: dict[str, tuple[Pod, ...]] = dict.fromkeys(self.cordoned, ())
        return KubeSeen(nodes, system_ready=True, version="v1.37.2", pods=pods)

    # Faults

    def removable(self) -> list[Seen]:
        """Things that somebody could take away behind our back: nothing uses them."""
        return [
            s
            for s in self.truth.values()
            if s.life in LIVING and not isinstance(s.resource, VirtualMachine) and not self.users(s)
        ]

    def doubled(self) -> list[Seen]:
        """Things of which the cloud would make a second one."""
        return [s for s in self.truth.values() if is_doubled_by_repeat(s.resource)]

    def rules(self) -> list[Seen]:
        return [s for s in self.truth.values() if isinstance(s.resource, FirewallRule)]

    def kill(self, machine: MachineId) -> None:
        """The cloud takes a machine and says so."""
        for identity, thing in self.truth.items():
            if getattr(thing.resource, "machine", None) == machine and thing.life in LIVING:
                self.truth[identity] = replace(thing, life=Life.GONE, evidence="terminated")
