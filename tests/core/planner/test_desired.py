"""What should exist: names, address ranges, rules."""

from dataclasses import replace
from ipaddress import IPv4Network

import pytest
from tests.core.planner.build import AT, REGION, a_cluster, a_machine, a_world, deleting

from holdfast.model.ids import ResourceName
from holdfast.model.resource import (
    AddressBinding,
    FirewallRule,
    Network,
    Role,
    RouteAssociation,
    Subnet,
    VirtualMachine,
    needs,
)
from holdfast.planner.desired import resources, zone_cidr

ANYWHERE = IPv4Network("0.0.0.0/0")


def test_everything_has_one_name_and_all_its_needs() -> None:
    for size in ((1, 0), (1, 3), (3, 3)):
        wanted = a_world(*size).wanted
        assert all(name == resource.name for name, resource in wanted.items())
        for resource in wanted.values():
            assert needs(resource) <= wanted.keys()


def test_a_cluster_of_one_zone_in_names() -> None:
    assert sorted(name for name in a_world(1, 0).wanted if "/rule/" not in name) == [
        "aws/address-binding/endpoint",
        "aws/address/endpoint",
        "aws/firewall/control-plane",
        "aws/firewall/worker",
        "aws/gateway",
        "aws/gateway-attachment",
        "aws/machine/c0000000-bbbb-4bbb-8bbb-222222222222",
        "aws/network",
        "aws/role/control-plane",
        "aws/role/worker",
        "aws/route-association/eu-central-1a",
        "aws/route-table",
        "aws/route/internet",
        "aws/subnet/eu-central-1a",
    ]


def rules(role: str) -> dict[str, tuple[str, str, int, int, object]]:
    found = [r for r in a_world().wanted.values() if isinstance(r, FirewallRule)]
    return {
        r.name.rpartition("/")[2]: (r.direction.value, r.protocol, r.from_port, r.to_port, r.peer)
        for r in found
        if r.group == f"aws/firewall/{role}"
    }


INSIDE = {
    "from-control-plane": ("ingress", "all", 0, 0, "aws/firewall/control-plane"),
    "from-worker": ("ingress", "all", 0, 0, "aws/firewall/worker"),
    "egress": ("egress", "all", 0, 0, ANYWHERE),
}


def test_only_the_api_of_control_planes_is_open_to_the_world() -> None:
    assert rules("control-plane") == {**INSIDE, "api": ("ingress", "tcp", 6443, 6443, ANYWHERE)}


def test_only_node_ports_of_workers_are_open_to_the_world() -> None:
    ports = {f"node-ports-{p}": ("ingress", p, 30000, 32767, ANYWHERE) for p in ("tcp", "udp")}
    assert rules("worker") == INSIDE | ports


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("eu-central-1a", "10.10.0.0/20"),
        ("eu-central-1b", "10.10.16.0/20"),
        ("eu-central-1c", "10.10.32.0/20"),
        ("1", "10.10.16.0/20"),
        ("westeurope-3", "10.10.48.0/20"),
    ],
)
def test_a_zone_has_its_own_sixteenth_for_ever(zone: str, expected: str) -> None:
    network = IPv4Network("10.10.0.0/16")
    assert zone_cidr(network, zone) == IPv4Network(expected)
    assert zone_cidr(network, zone).subnet_of(network)


def test_zones_with_machines_have_a_subnet_and_its_association() -> None:
    cluster = a_cluster(3, 0)
    machines = {}
    for node, zone in zip(cluster.spec.nodes, "abb", strict=True):
        machine = a_machine(node)
        offering = replace(machine.offering, zone=f"{REGION}{zone}")
        machines[machine.id] = replace(machine, offering=offering)
    found = resources(cluster, machines, None).values()
    subnets = {r.name: r for r in found if isinstance(r, Subnet)}
    assert sorted(subnets) == [f"aws/subnet/{REGION}a", f"aws/subnet/{REGION}b"]
    ranges = [s.cidr for s in subnets.values()]
    assert not ranges[0].overlaps(ranges[1])
    associated = {r.subnet for r in found if isinstance(r, RouteAssociation)}
    assert associated == set(subnets)
    for vm in (r for r in found if isinstance(r, VirtualMachine)):
        assert vm.subnet == f"aws/subnet/{vm.offering.zone}"


def test_a_machine_that_was_written_off_is_not_wanted() -> None:
    world = a_world(1, 2)
    lost = world.of(Role.WORKER)[0]
    machines = {**world.observed.machines, lost.id: replace(lost, written_off_at=AT)}
    wanted = resources(world.cluster, machines, None)
    assert lost.resource not in wanted
    assert world.of(Role.WORKER)[1].resource in wanted


def test_the_endpoint_is_an_address_and_a_binding_to_its_holder() -> None:
    world = a_world(1, 1)
    holder = world.of(Role.CONTROL_PLANE)[0]
    with_holder = resources(world.cluster, world.observed.machines, holder)
    without = resources(world.cluster, world.observed.machines, None)
    binding = ResourceName("aws/address-binding/endpoint")
    assert with_holder.keys() - without.keys() == {binding}
    assert with_holder[binding] == AddressBinding(
        binding, ResourceName("aws/address/endpoint"), holder.resource
    )


def test_nothing_is_wanted_of_a_cluster_that_is_being_deleted() -> None:
    world = deleting(a_world())
    assert resources(world.cluster, world.observed.machines, None) == {}


def test_the_network_is_the_one_of_the_specification() -> None:
    network = a_world().wanted[ResourceName("aws/network")]
    assert network == Network(ResourceName("aws/network"), IPv4Network("10.10.0.0/16"))
