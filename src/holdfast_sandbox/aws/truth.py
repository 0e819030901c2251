"""What the cloud holds, told past the wire: every living thing, its tags and its price."""

from collections.abc import Iterator
from typing import Any

from holdfast_sandbox.aws import prices
from holdfast_sandbox.aws.ec2.backend import Backend, backends
from holdfast_sandbox.aws.world import World

Thing = tuple[str, str, str, float]  # kind, id, state, USD per hour


def dump(world: World, key: str | None = None, value: str | None = None) -> list[dict[str, Any]]:
    """Every living thing, or those that carry a tag. Default VPCs and what is in them are left out.

    A dict has kind, id, account, region, state, tags, price_per_hour (USD).
    """
    found = []
    for backend in backends():
        for kind, name, state, usd in _things(world, backend):
            tags = _tags(world, backend, name)
            if key is not None and (key not in tags or value not in (None, tags[key])):
                continue
            found.append(
                {
                    "kind": kind,
                    "id": name,
                    "account": backend.account_id,
                    "region": backend.region_name,
                    "state": state,
                    "tags": tags,
                    "price_per_hour": round(usd, 6),
                }
            )
    return found


def _tags(world: World, backend: Backend, name: str) -> dict[str, str]:
    balancing = world.state.balancing
    held = balancing.balancers.get(name) or balancing.groups.get(name)
    return dict(held.tags if held else backend.tags.get(name, {}))


def _things(world: World, backend: Backend) -> Iterator[Thing]:
    yield from _machines(world, backend)
    yield from _storage(backend)
    yield from _addresses(backend)
    yield from _network(backend)
    yield from _balancers(world, backend)


def _balancers(world: World, backend: Backend) -> Iterator[Thing]:
    place = (backend.account_id, backend.region_name)
    for balancer in world.state.balancing.balancers.values():
        if (balancer.account, balancer.region) == place:
            yield "load-balancer", balancer.arn, balancer.state, prices.BALANCER
    for group in world.state.balancing.groups.values():
        if (group.account, group.region) == place:
            yield "target-group", group.arn, "present", 0.0


def _machines(world: World, backend: Backend) -> Iterator[Thing]:
    for machine in backend.machines():
        if machine.state == "terminated":
            continue
        usd = 0.0
        if machine.state in ("pending", "running", "stopping", "shutting-down"):
            usd = price_of(world, backend, machine)
        yield "instance", machine.id, machine.state, usd


def price_of(world: World, backend: Backend, machine: Any) -> float:
    """USD per hour of a machine while it runs."""
    if machine.lifecycle == "spot":
        return prices.spot(world, machine.instance_type, machine.availability_zone)
    return prices.on_demand(machine.instance_type, backend.region_name)


def _storage(backend: Backend) -> Iterator[Thing]:
    for volume in backend.volumes.values():
        usd = volume.size * prices.GP3 / prices.HOURS_A_MONTH
        yield "volume", volume.id, volume.status, usd
    for snapshot in backend.snapshots.values():
        if not snapshot.from_ami:
            usd = snapshot.volume.size * prices.SNAPSHOT / prices.HOURS_A_MONTH
            yield "snapshot", snapshot.id, snapshot.status, usd


def _addresses(backend: Backend) -> Iterator[Thing]:
    for held in backend.addresses:
        state = "associated" if held.association_id else "free"
        yield "address", str(held.allocation_id), state, prices.ADDRESS
    for machine in backend.machines():
        for nic in machine.nics.values():
            if nic.public_ip and backend.reserved(nic.public_ip) is None:
                yield "public-address", f"{nic.id}/{nic.public_ip}", "associated", prices.ADDRESS


def _network(backend: Backend) -> Iterator[Thing]:
    yield from _links(backend)
    yield from _groups(backend)
    for table in backend.route_tables.values():
        if table.main_association_id is None:
            yield "route-table", table.id, "present", 0.0
    for internet in backend.internet_gateways.values():
        yield "internet-gateway", internet.id, internet.attachment_state, 0.0
    given = {vpc.id for vpc in backend.vpcs.values() if vpc.is_default}
    for subnet in backend.describe_subnets():
        if subnet.vpc_id not in given:
            yield "subnet", subnet.id, subnet.state, 0.0
    for vpc in backend.vpcs.values():
        if vpc.id not in given:
            yield "vpc", vpc.id, vpc.state, 0.0


def _links(backend: Backend) -> Iterator[Thing]:
    for gateway in backend.nat_gateways.values():
        if gateway.state != "deleted":
            yield "nat-gateway", gateway.id, gateway.state, prices.NAT
    for nic in backend.enis.values():
        yield "network-interface", nic.id, nic.status, 0.0


def _groups(backend: Backend) -> Iterator[Thing]:
    for groups in backend.groups.values():
        for group in groups.values():
            if not group.is_default:
                yield "security-group", group.id, "present", 0.0
                yield from _rules(group)


def _rules(group: Any) -> Iterator[Thing]:
    for rule in (*group.ingress_rules, *group.egress_rules):
        yield "security-group-rule", rule.id, "present", 0.0
