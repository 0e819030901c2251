"""From specification and chosen machines to everything that should exist in the clouds."""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network

from holdfast.model.cluster import Cluster
from holdfast.model.ids import MachineId, ResourceName
from holdfast.model.machine import Machine
from holdfast.model.offering import Cloud
from holdfast.model.resource import (
    CHALLENGED,
    Address,
    AddressBinding,
    ChallengeTag,
    Direction,
    FirewallGroup,
    FirewallRule,
    Gateway,
    GatewayAttachment,
    MachineRole,
    Network,
    Resource,
    Role,
    Route,
    RouteAssociation,
    RouteTable,
    Subnet,
    VirtualMachine,
)
from holdfast.model.spec import CloudSpec, ClusterSpec

ANYWHERE = IPv4Network("0.0.0.0/0")
API_PORT = 6443
NODE_PORTS = (30000, 32767)

Resources = Mapping[ResourceName, Resource]


def resources(
    cluster: Cluster, machines: Mapping[MachineId, Machine], endpoint: Machine | None
) -> Resources:
    """Everything that should exist; nothing once the cluster is being deleted.

    `endpoint` is the control plane that the users' address shall lead to.
    """
    if cluster.is_deleting:
        return {}
    wanted = [machine for machine in machines.values() if machine.is_wanted]
    made: list[Resource] = []
    for cloud in cluster.spec.clouds:
        mine = [machine for machine in wanted if machine.offering.cloud is cloud.cloud]
        made += _network(cloud, {machine.offering.zone for machine in mine})
        made += _firewall(cloud.cloud)
        made += [_virtual_machine(machine) for machine in mine]
        made += _challenges(mine)
    made += _endpoint(cluster, endpoint)
    return {resource.name: resource for resource in made}


def name(cloud: Cloud, *parts: str) -> ResourceName:
    """`<cloud>/<kind>[/<which>]`."""
    return ResourceName("/".join((cloud.value, *parts)))


def _network(spec: CloudSpec, zones: Iterable[str]) -> Iterable[Resource]:
    cloud = spec.cloud
    network, gateway = name(cloud, "network"), name(cloud, "gateway")
    table = name(cloud, "route-table")
    yield Network(network, spec.vpc_cidr)
    yield Gateway(gateway)
    yield GatewayAttachment(name(cloud, "gateway-attachment"), gateway, network)
    yield RouteTable(table, network)
    yield Route(name(cloud, "route", "internet"), table, gateway)
    for zone in sorted(zones):
        subnet = name(cloud, "subnet", zone)
        yield Subnet(subnet, network, zone, zone_cidr(spec.vpc_cidr, zone))
        yield RouteAssociation(name(cloud, "route-association", zone), table, subnet)


def zone_cidr(network: IPv4Network, zone: str) -> IPv4Network:
    """A sixteenth of the network, chosen by the last character of the zone's name alone.

    It must never change while the subnet lives, so it cannot depend on the list of zones.
    """
    last = zone[-1].lower()
    index = int(last) if last.isdigit() else ord(last) - ord("a")
    return list(network.subnets(prefixlen_diff=4))[index % 16]


def _firewall(cloud: Cloud) -> Iterable[Resource]:
    network = name(cloud, "network")
    groups = {role: group_name(cloud, role) for role in Role}
    for role, group in groups.items():
        yield FirewallGroup(group, network)
        yield _rule(group, "egress", Direction.EGRESS, "all", (0, 0), ANYWHERE)
        for peer_role, peer in groups.items():
            yield _rule(group, f"from-{peer_role.value}", Direction.INGRESS, "all", (0, 0), peer)
        yield MachineRole(name(cloud, "role", role.value), role)
    worker, control_plane = groups[Role.WORKER], groups[Role.CONTROL_PLANE]
    yield _rule(control_plane, "api", Direction.INGRESS, "tcp", (API_PORT, API_PORT), ANYWHERE)
    for protocol in ("tcp", "udp"):
        rule = f"node-ports-{protocol}"
        yield _rule(worker, rule, Direction.INGRESS, protocol, NODE_PORTS, ANYWHERE)


def _rule(
    group: ResourceName,
    which: str,
    direction: Direction,
    protocol: str,
    ports: tuple[int, int],
    peer: IPv4Network | ResourceName,
) -> FirewallRule:
    cloud, _, rest = group.partition("/")
    rule = ResourceName(f"{cloud}/rule/{rest.rpartition('/')[2]}/{which}")
    return FirewallRule(rule, group, direction, protocol, *ports, peer)


def group_name(cloud: Cloud, role: Role) -> ResourceName:
    """The firewall group of the machines of one role."""
    return name(cloud, "firewall", role.value)


def _virtual_machine(machine: Machine) -> VirtualMachine:
    cloud = machine.offering.cloud
    return VirtualMachine(
        name=machine.resource,
        machine=machine.id,
        hostname=machine.name,
        role=machine.role,
        offering=machine.offering,
        image=machine.image,
        disk_gib=machine.disk_gib,
        subnet=name(cloud, "subnet", machine.offering.zone),
        groups=(group_name(cloud, machine.role),),
        machine_role=name(cloud, "role", machine.role.value),
    )


def _challenges(machines: Iterable[Machine]) -> Iterable[Resource]:
    """A machine that the cloud gives no signed word answers a challenge until its key is bound."""
    for machine in machines:
        is_known = machine.launched_at is not None and machine.registered_at is None
        if is_known and machine.offering.cloud in CHALLENGED:
            own = name(machine.offering.cloud, "challenge", machine.id)
            yield ChallengeTag(own, machine.resource)


def _endpoint(cluster: Cluster, holder: Machine | None) -> Iterable[Resource]:
    cloud = endpoint_cloud(cluster.spec)
    if cloud is None:
        return
    address = endpoint_name(cloud)
    yield Address(address)
    if holder is not None and holder.offering.cloud is cloud:
        yield AddressBinding(name(cloud, "address-binding", "endpoint"), address, holder.resource)


def endpoint_cloud(spec: ClusterSpec) -> Cloud | None:
    """The cloud of the users' address: that of the first control plane."""
    return next((request.cloud for request in spec.control_planes()), None)


def endpoint_name(cloud: Cloud) -> ResourceName:
    """The users' address of the API server."""
    return name(cloud, "address", "endpoint")
