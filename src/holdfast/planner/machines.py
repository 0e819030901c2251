"""Which machines shall exist: every requested node has one living machine, chosen and saved.

Health says which cannot stay; those are written off, and their requests get a new machine with a
new identity in the same decision. What is replaced or no longer asked for leaves its work first.
A machine whose offering turned out to be sold out keeps its identity and gets another offering
with a new token.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from holdfast.model import names
from holdfast.model.account import Region
from holdfast.model.action import Waiting
from holdfast.model.cluster import Cluster
from holdfast.model.event import NewEvent, Severity
from holdfast.model.ids import MachineId
from holdfast.model.machine import Machine
from holdfast.model.observed import Observed
from holdfast.model.offering import Cloud, Offering, OfferingKey
from holdfast.model.resource import VirtualMachine
from holdfast.model.spec import NodeRequest
from holdfast.planner.adoption import adoptable, adopted
from holdfast.planner.health import Health, health
from holdfast.planner.leaving import departed, leave
from holdfast.planner.preview import ROOT_DISK_GIB, offering_for, zone_for
from holdfast.planner.rollout import by_request, failed, replaced, rollout
from holdfast.planner.rules import Rules

# Makes the identity of a new machine and the hash of the nonce that its user data will carry.
Fresh = Callable[[NodeRequest], MachineId]
NonceHash = Callable[[MachineId], str]
Machines = Mapping[MachineId, Machine]


@dataclass(frozen=True, slots=True)
class Market:
    """What can be bought now: the catalogue per cloud and what was sold out a moment ago."""

    regions: Mapping[Cloud, Region]
    sold_out: frozenset[OfferingKey] = frozenset()


@dataclass(frozen=True, slots=True)
class Identities:
    """Where new identities come from: chance and keys stay outside of the planner.

    `used` are all that a machine of the cluster has or ever had.
    """

    fresh: Fresh
    nonce_hash: NonceHash
    used: Collection[MachineId]


@dataclass(frozen=True, slots=True)
class Choice:
    """The machines after this decision; `changed` are those to be saved."""

    machines: Mapping[MachineId, Machine]
    changed: tuple[Machine, ...]
    events: tuple[NewEvent, ...]
    held_back: tuple[Waiting, ...]  # what breakers keep from being healed
    unfilled: tuple[str, ...]  # requests without an offering, in words


def choose(
    cluster: Cluster,
    observed: Observed,
    market: Market,
    identities: Identities,
    rules: Rules,
    now: datetime,
) -> Choice:
    """The decision of one pass. A cluster that is being deleted has no wanted machines."""
    if cluster.is_deleting:
        return _ended(observed, now)
    verdicts = health(observed, rules, now, cluster.breaker_released_at)
    lost, events = _written_off(observed, verdicts, now)
    machines = _with(observed.machines, lost)
    machines = _with(machines, failed(lost, machines))
    taken_in = _taken_in(cluster, observed, machines, market, identities, now)
    machines = _with(machines, taken_in)
    events += [_adoption(machine) for machine in taken_in]
    second = rollout(cluster.spec, machines, observed, rules).start
    unfilled = []
    placed = by_request(machines)
    for request in cluster.spec.nodes:
        mine = placed.get(request.id, [])
        steps = _elsewhere(cluster, request, mine, market)
        if not mine or request.id in second:
            steps.append(_new(cluster, request, machines, market, identities, now))
        for step in steps:
            match step:
                case Machine():
                    events.append(_chosen(step, market))
                    machines = _with(machines, [step])
                case str():
                    unfilled.append(step)
    going = [*_unrequested(cluster, machines, now), *replaced(cluster.spec, machines, now)]
    machines = _with(machines, going)
    machines = _with(machines, departed(machines, observed, rules, now))
    changed = tuple(m for m in machines.values() if observed.machines.get(m.id) != m)
    events += [_told(m) for m in going]
    held = tuple(breaker.waiting for breaker in verdicts.held_back)
    return Choice(machines, changed, tuple(events), held, tuple(unfilled))


def _with(machines: Mapping[MachineId, Machine], changed: Iterable[Machine]) -> Machines:
    return {**machines, **{machine.id: machine for machine in changed}}


def _told(machine: Machine) -> NewEvent:
    reason = machine.leaving_reason or machine.written_off_reason
    message = f"{machine.role.value} {machine.name} leaves: {reason}"
    return NewEvent("MachineLeaves", message, machine.name)


def _ended(observed: Observed, now: datetime) -> Choice:
    """Fences every machine of a cluster that is being deleted: none may join or call back."""
    changed = tuple(
        replace(m, written_off_at=now, written_off_reason="the cluster is being deleted")
        for m in observed.machines.values()
        if m.is_wanted
    )
    machines = {**observed.machines, **{machine.id: machine for machine in changed}}
    return Choice(machines, changed, (), (), ())


def _written_off(
    observed: Observed, verdicts: Health, now: datetime
) -> tuple[list[Machine], list[NewEvent]]:
    changed, events = [], []
    for verdict in verdicts.lost:
        machine = observed.machines[verdict.machine]
        changed.append(replace(machine, written_off_at=now, written_off_reason=verdict.reason))
        seen = observed.things.get(machine.resource)
        log = f"\nconsole: {seen.console}" if seen and seen.console else ""
        message = f"{machine.role.value} {machine.name} is lost: {verdict.reason}{log}"
        events.append(NewEvent("MachineLost", message, machine.name, Severity.ERROR))
    return changed, events


def _taken_in(
    cluster: Cluster,
    observed: Observed,
    machines: Machines,
    market: Market,
    identities: Identities,
    now: datetime,
) -> list[Machine]:
    """Living machines without a record, for requests whose own machine is lost."""
    found: dict[MachineId, Machine] = {}
    placed = by_request(machines)
    for request in cluster.spec.nodes if observed.unrecorded else ():
        region = market.regions.get(request.cloud)
        if request.id in placed or region is None:
            continue
        seen = adoptable(request, observed.unrecorded, machines.keys() | found.keys(), region)
        if seen is not None and isinstance(seen.resource, VirtualMachine):
            nonce_hash = identities.nonce_hash(seen.resource.machine)
            machine = adopted(cluster, request, seen, observed, nonce_hash, now)
            found[machine.id] = machine
    return list(found.values())


def _elsewhere(
    cluster: Cluster, request: NodeRequest, mine: Iterable[Machine], market: Market
) -> list[Machine | str]:
    """Another offering for each of a request's machines that turned out to be sold out."""
    steps = (_rechosen(cluster, request, machine, market) for machine in mine)
    return [step for step in steps if step is not None]


def _new(
    cluster: Cluster,
    request: NodeRequest,
    machines: Machines,
    market: Market,
    identities: Identities,
    now: datetime,
) -> Machine | str:
    """A machine with a new identity: the request's own one for its first machine."""
    region = market.regions.get(request.cloud)
    offer = _offer(cluster, request, market)
    if region is None or offer is None:
        return f"{request.role.value} {request.shape.value}: no offering in {request.cloud.value}"
    own = MachineId(request.id)
    is_used = own in machines or own in identities.used  # a gone one may have had it
    machine_id = identities.fresh(request) if is_used else own
    taken = {m.name for m in machines.values()}
    while (name := _name(cluster, request, machine_id)) in taken:
        machine_id = identities.fresh(request)  # names carry four characters of it: they can meet
    return Machine(
        id=machine_id,
        cluster=cluster.id,
        request=request.id,
        name=name,
        role=request.role,
        offering=offer.key,
        image=region.images[offer.arch],
        disk_gib=ROOT_DISK_GIB,
        kubernetes_version=cluster.spec.kubernetes_version,
        attempt=1,
        token=_token(machine_id, 1, offer.key),
        nonce_hash=identities.nonce_hash(machine_id),
        chosen_at=now,
    )


def _name(cluster: Cluster, request: NodeRequest, machine: MachineId) -> str:
    return names.host(cluster.spec.name, cluster.id, request.cloud, machine)


def _rechosen(
    cluster: Cluster, request: NodeRequest, machine: Machine, market: Market
) -> Machine | str | None:
    if machine.provider_id is not None or machine.offering not in market.sold_out:
        return None
    offer = _offer(cluster, request, market)
    if offer is None or offer.key == machine.offering:
        return f"{machine.name}: {machine.offering.instance_type} is sold out and nothing else fits"
    attempt = machine.attempt + 1
    return replace(
        machine,
        offering=offer.key,
        attempt=attempt,
        token=_token(machine.id, attempt, offer.key),
    )


def _offer(cluster: Cluster, request: NodeRequest, market: Market) -> Offering | None:
    region = market.regions.get(request.cloud)
    if region is None:
        return None
    zone = zone_for(cluster.spec, request, region.zones)
    return offering_for(request, region, zone, market.sold_out)


def _token(machine: MachineId, attempt: int, key: OfferingKey) -> str:
    return names.client_token(
        machine, attempt, f"{key.zone}/{key.instance_type}/{key.capacity_type.value}"
    )


def _chosen(machine: Machine, market: Market) -> NewEvent:
    key = machine.offering
    prices = [o.price for o in market.regions[key.cloud].offerings if o.key == key]
    price = f" at {prices[0]:.4f} USD/h" if prices else ""
    return NewEvent(
        "MachineChosen",
        f"[{key.cloud.value.upper()}] {machine.role.value} name={machine.name}: "
        f"{key.instance_type} {key.capacity_type.value} in {key.zone}{price}",
        machine.name,
    )


def _adoption(machine: Machine) -> NewEvent:
    return NewEvent(
        "MachineAdopted",
        f"[{machine.offering.cloud.value.upper()}] {machine.role.value} name={machine.name}: "
        f"{machine.provider_id} has no record and is wanted; it is taken in",
        machine.name,
    )


def _unrequested(cluster: Cluster, machines: Machines, now: datetime) -> list[Machine]:
    """Machines whose request was taken out of the specification: they leave their work first."""
    requests = {request.id for request in cluster.spec.nodes}
    return [
        leave(m, "no longer wanted", now)
        for m in machines.values()
        if m.is_wanted and m.leaving_at is None and m.request not in requests
    ]
