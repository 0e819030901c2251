"""What a cluster would consist of and cost, and what does not fit, before anything is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from holdfast.model.account import Quota, Region
from holdfast.model.action import CostLine
from holdfast.model.offering import (
    HOURS_PER_MONTH,
    SHAPES,
    CapacityType,
    Cloud,
    Offering,
    OfferingKey,
    cheapest,
)
from holdfast.model.resource import Role
from holdfast.model.spec import ClusterSpec, NodeRequest

ROOT_DISK_GIB = 30
WORTH_STAYING = Decimal("1.25")  # how much dearer the own zone may be than another
# AWS Service Quotas: vCPUs of running on-demand standard instances, of spot ones, addresses, VPCs.
VCPU_QUOTAS = {CapacityType.ON_DEMAND: "L-1216C47A", CapacityType.SPOT: "L-34B43A08"}
ADDRESS_QUOTA = "L-0263D0A3"
NETWORK_QUOTA = "L-F678F1CE"
ENDPOINT = "endpoint"  # the subject of a cluster's address in a price


@dataclass(frozen=True, slots=True)
class PreviewMachine:
    """A requested node and the offering it would get; None where nothing fits."""

    request: NodeRequest
    offering: Offering | None


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that makes the specification impossible; `field` is the wire's path."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class Preview:
    """The plan of a cluster that does not exist yet."""

    machines: tuple[PreviewMachine, ...]
    lines: tuple[CostLine, ...]
    violations: tuple[Violation, ...]

    @property
    def hourly(self) -> Decimal:
        """USD per hour of everything."""
        return sum((line.hourly for line in self.lines), Decimal(0))

    @property
    def monthly(self) -> Decimal:
        """USD per month of 30 days."""
        return self.hourly * HOURS_PER_MONTH


def preview(spec: ClusterSpec, regions: Mapping[Cloud, Region]) -> Preview:
    """The machines, the price and everything that does not fit. Never raises for bad input."""
    machines = tuple(
        PreviewMachine(request, _offering(spec, request, regions)) for request in spec.nodes
    )
    violations = [
        Violation(f"nodes[{index}]", _unfit(machine.request, regions.get(machine.request.cloud)))
        for index, machine in enumerate(machines)
        if machine.offering is None
    ]
    for cloud in {request.cloud for request in spec.nodes} & regions.keys():
        violations += quota_violations(cloud, machines, regions[cloud].quotas)
    return Preview(machines, tuple(_lines(machines, regions)), tuple(violations))


def additions(
    spec: ClusterSpec, added: Sequence[NodeRequest], regions: Mapping[Cloud, Region]
) -> Preview:
    """The same for nodes that are added to a cluster: their machines and price alone."""
    whole = replace(spec, nodes=(*spec.nodes, *added))
    machines = tuple(PreviewMachine(each, _offering(whole, each, regions)) for each in added)
    violations = [
        Violation(f"add[{index}]", _unfit(machine.request, regions.get(machine.request.cloud)))
        for index, machine in enumerate(machines)
        if machine.offering is None
    ]
    for cloud in {request.cloud for request in added} & regions.keys():
        cpus = [q for q in regions[cloud].quotas if q.code in VCPU_QUOTAS.values()]
        violations += [
            Violation("add", each.description) for each in quota_violations(cloud, machines, cpus)
        ]
    lines = [line for line in _lines(machines, regions) if line.subject != ENDPOINT]
    return Preview(machines, tuple(lines), tuple(violations))


def _offering(
    spec: ClusterSpec, request: NodeRequest, regions: Mapping[Cloud, Region]
) -> Offering | None:
    region = regions.get(request.cloud)
    if region is None:
        return None
    return offering_for(request, region, zone_for(spec, request, region.zones), frozenset())


def zone_for(spec: ClusterSpec, request: NodeRequest, zones: Sequence[str]) -> str:
    """The zone a node should live in: one zone for a single control plane, else spread over three.

    Spreading follows the order of the nodes of one role in one cloud, so that it does not change
    when others are added behind them.
    """
    if not zones:
        return ""  # nothing is on sale there either
    if len(spec.control_planes()) < 2:
        return zones[0]
    alike = (request.role, request.cloud)
    peers = [node.id for node in spec.nodes if (node.role, node.cloud) == alike]
    return zones[peers.index(request.id) % min(3, len(zones))]


def offering_for(
    request: NodeRequest, region: Region, zone: str, sold_out: frozenset[OfferingKey]
) -> Offering | None:
    """The cheapest offering that fits the request: in its zone, else in any other zone.

    A zone that has run out of small machines must not lead to big ones: one that costs more than
    a quarter above what another zone asks is not worth staying for.
    """
    fitting = tuple(
        offer
        for offer in region.offerings
        if offer.key not in sold_out
        and offer.key.capacity_type is request.capacity_type
        and (request.instance_type is None or offer.key.instance_type == request.instance_type)
        and (request.instance_type is not None or offer.arch == "amd64")
        and offer.arch in region.images
    )
    home = tuple(offer for offer in fitting if offer.key.zone == zone)
    here, anywhere = _best(request, home), _best(request, fitting)
    if here is None or anywhere is None or here.price > anywhere.price * WORTH_STAYING:
        return anywhere
    return here


def _best(request: NodeRequest, offerings: tuple[Offering, ...]) -> Offering | None:
    if request.instance_type is None:
        return cheapest(offerings, SHAPES[request.shape])
    available = [offer for offer in offerings if offer.available]
    return min(available, key=lambda offer: (offer.price, offer.key.zone), default=None)


def _unfit(request: NodeRequest, region: Region | None) -> str:
    if region is None:
        return f"nothing is known yet of what {request.cloud.value} sells in this region"
    wanted = request.instance_type or request.shape.value
    return f"{wanted} ({request.capacity_type.value}) is not on sale in {region.name} now"


def quota_violations(
    cloud: Cloud, machines: Sequence[PreviewMachine], quotas: Sequence[Quota]
) -> list[Violation]:
    """One violation for each limit of the account that the machines would pass."""
    mine = [machine for machine in machines if machine.request.cloud is cloud and machine.offering]
    wanted: dict[str, int] = {ADDRESS_QUOTA: 1, NETWORK_QUOTA: 1}
    for capacity_type, code in VCPU_QUOTAS.items():
        wanted[code] = sum(
            machine.offering.size.cpus
            for machine in mine
            if machine.offering and machine.request.capacity_type is capacity_type
        )
    return [
        Violation(
            "nodes" if code in VCPU_QUOTAS.values() else "cloudCredentialsIDs",
            f"{cloud.value}: {quota.name} allows {quota.limit:g} {quota.unit}, "
            f"{quota.used or 0:g} are used, this cluster needs {wanted[code]} more ({quota.code})",
        )
        for quota in quotas
        if (code := quota.code) in wanted
        and wanted[code] > 0
        and (quota.used or 0) + wanted[code] > quota.limit
    ]


def _lines(machines: Sequence[PreviewMachine], regions: Mapping[Cloud, Region]) -> list[CostLine]:
    lines = []
    for machine in machines:
        region = regions.get(machine.request.cloud)
        if machine.offering is None or region is None:
            continue
        role = "control plane" if machine.request.role is Role.CONTROL_PLANE else "worker"
        key = machine.offering.key
        detail = f"{role}: {key.instance_type} {key.capacity_type.value} in {key.zone}"
        lines.append(CostLine(machine.request.id, detail, machine.offering.price))
        disk = region.disk_price * ROOT_DISK_GIB
        lines.append(CostLine(machine.request.id, f"root disk of {ROOT_DISK_GIB} GiB", disk))
        lines.append(CostLine(machine.request.id, "public address", region.address_price))
    lines += [
        CostLine(ENDPOINT, "reserved public address", regions[cloud].address_price)
        for cloud in [m.request.cloud for m in machines if m.request.role is Role.CONTROL_PLANE][:1]
        if cloud in regions
    ]
    return lines
