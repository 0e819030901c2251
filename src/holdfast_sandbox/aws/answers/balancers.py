"""Elastic Load Balancing, network ones only: their life, links and public addresses (H34)."""

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from moto.ec2.models.elastic_ip_addresses import ElasticAddress

from holdfast_sandbox.aws.answers import tagging
from holdfast_sandbox.aws.balancing import Balancer, Foot
from holdfast_sandbox.aws.call import Call
from holdfast_sandbox.aws.ec2.backend import Backend, backend_of
from holdfast_sandbox.aws.errors import AwsError, Gap
from holdfast_sandbox.aws.identities import Identity
from holdfast_sandbox.aws.world import World

NAME = re.compile(r"(?!internal-)[a-zA-Z0-9]([a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?")


def ours(call: Call, world: World) -> Iterator[Balancer]:
    """The balancers of the caller's account in the region."""
    for balancer in world.state.balancing.balancers.values():
        if (balancer.account, balancer.region) == (call.account, call.region):
            yield balancer


def create(call: Call, _: Identity, world: World) -> dict[str, Any]:
    """CreateLoadBalancer: the same name and settings again answer the same balancer."""
    name = str(call.params.get("Name", ""))
    if call.params.get("Type") != "network":
        raise Gap("UnsupportedOperation", "Only network load balancers are emulated.")
    if not NAME.fullmatch(name):
        raise AwsError("ValidationError", f"The load balancer name '{name}' is not valid")
    asked = {key: copy.deepcopy(value) for key, value in call.params.items() if key != "Tags"}
    for held in ours(call, world):
        if held.name == name and held.asked == asked:
            return {"LoadBalancers": [shown(held, backend_of(call.account, call.region))]}
        if held.name == name:
            text = f"A load balancer with the same name '{name}' exists, but with other settings"
            raise AwsError("DuplicateLoadBalancerName", text)
    balancer = _make(call, world, name, asked)
    world.state.balancing.balancers[balancer.arn] = balancer
    place = (call.account, call.region)
    world.after(world.settings.nat_delay, place, "balancer-active", balancer.arn)
    return {"LoadBalancers": [shown(balancer, backend_of(*place))]}


def _make(call: Call, world: World, name: str, asked: dict[str, Any]) -> Balancer:
    backend = backend_of(call.account, call.region)
    wanted = [{"SubnetId": s} for s in call.params.get("Subnets") or []]
    wanted += call.params.get("SubnetMappings") or []
    if not wanted:
        raise AwsError("ValidationError", "Either subnets or subnet mappings must be specified")
    subnets = [backend.get_subnet(str(item["SubnetId"])) for item in wanted]
    if len({subnet.vpc_id for subnet in subnets}) > 1:
        raise AwsError("InvalidConfigurationRequest", "All subnets must be of the same VPC")
    scheme = str(call.params.get("Scheme") or "internet-facing")
    number = world.chance("balancer", name, str(len(world.state.record.entries))).getrandbits(64)
    place = f"arn:aws:elasticloadbalancing:{call.region}:{call.account}"
    groups = [str(group) for group in call.params.get("SecurityGroups") or []]
    held = [_reserved(backend, item.get("AllocationId")) for item in wanted]
    feet = [
        _foot(backend, subnet.id, address, scheme, groups)
        for subnet, address in zip(subnets, held, strict=True)
    ]
    for foot in feet:
        backend.enis[foot.nic].description = f"ELB net/{name}/{number:016x}"
    return Balancer(
        arn=f"{place}:loadbalancer/net/{name}/{number:016x}",
        name=name,
        region=call.region,
        account=call.account,
        vpc=subnets[0].vpc_id,
        scheme=scheme,
        feet=feet,
        made=world.stamp(),
        asked=asked,
        tags=tagging.asked(call),
    )


def _reserved(backend: Backend, allocation: str | None) -> ElasticAddress | None:
    """The free elastic address that a mapping names, None if it names none."""
    if not allocation:
        return None
    held = next((a for a in backend.addresses if a.allocation_id == allocation), None)
    if held is None:
        raise AwsError("AllocationIdNotFound", f"The allocation '{allocation}' does not exist")
    if held.association_id:
        raise AwsError("ResourceInUse", f"The allocation '{allocation}' is in use")
    return held


def _foot(
    backend: Backend, subnet: str, held: ElasticAddress | None, scheme: str, groups: list[str]
) -> Foot:
    nic = backend.create_network_interface(backend.get_subnet(subnet), None, group_ids=groups)
    nic.status, nic.interface_type = "in-use", "network_load_balancer"
    nic.requester_managed, nic.requester_id = True, "amazon-elb"
    if held is not None:
        backend.bind(held, nic)
    elif scheme == "internet-facing":
        nic.public_ip = backend.take_public()
    return Foot(subnet, nic.availability_zone, nic.id, held.allocation_id if held else None)


def shown(balancer: Balancer, backend: Backend) -> dict[str, Any]:
    """A balancer in the SDK's shape."""
    number = balancer.arn.rpartition("/")[2]
    return {
        "LoadBalancerArn": balancer.arn,
        "LoadBalancerName": balancer.name,
        "DNSName": f"{balancer.name}-{number}.elb.{balancer.region}.amazonaws.com",
        "CanonicalHostedZoneId": "Z3F0SRJ5LGBH90",
        "CreatedTime": balancer.made,
        "Scheme": balancer.scheme,
        "VpcId": balancer.vpc,
        "State": {"Code": balancer.state},
        "Type": "network",
        "IpAddressType": "ipv4",
        "AvailabilityZones": [_zone(backend, foot) for foot in balancer.feet],
    }


def _zone(backend: Backend, foot: Foot) -> dict[str, Any]:
    nic = backend.enis.get(foot.nic)
    address: dict[str, Any] = {}
    if nic is not None and nic.public_ip:
        address["IpAddress"] = nic.public_ip
    if foot.allocation:
        address["AllocationId"] = foot.allocation
    return {
        "ZoneName": foot.zone,
        "SubnetId": foot.subnet,
        "LoadBalancerAddresses": [address] if address else [],
    }


def describe(call: Call, _: Identity, world: World) -> dict[str, Any]:
    """DescribeLoadBalancers, by ARN, by name or all."""
    backend = backend_of(call.account, call.region)
    arns, names = call.params.get("LoadBalancerArns"), call.params.get("Names")
    found = [
        held
        for held in ours(call, world)
        if (not arns or held.arn in arns) and (not names or held.name in names)
    ]
    if len(found) < len(arns or names or []):
        raise AwsError("LoadBalancerNotFound", f"One or more of {arns or names} are not found")
    return tagging.paged(call, world, "LoadBalancers", [shown(held, backend) for held in found])


def delete(call: Call, _: Identity, world: World) -> dict[str, Any]:
    """DeleteLoadBalancer: gone already is fine; its links stay a little while and hold subnets."""
    arn = str(call.params["LoadBalancerArn"])
    balancing = world.state.balancing
    balancer = balancing.balancers.pop(arn, None)
    if balancer is not None:
        for listener in [held for held in balancing.listeners.values() if held.balancer == arn]:
            del balancing.listeners[listener.arn]
        for foot in balancer.feet:
            place = (call.account, call.region)
            world.after(world.settings.nat_delay, place, "balancer-link-gone", foot.nic)
    return {}


def became_active(backend: Backend, arn: str) -> None:
    """The transition after creation."""
    balancer = backend.world.state.balancing.balancers.get(arn)
    if balancer is not None:
        balancer.state = "active"


def link_gone(backend: Backend, nic: str) -> None:
    """The transition after delete."""
    link = backend.enis.get(nic)
    if link is not None:
        backend.release_nic(link, delete=True)


ANSWERS: Mapping[str, Callable[[Call, Identity, World], dict[str, Any]]] = {
    "elasticloadbalancing:CreateLoadBalancer": create,
    "elasticloadbalancing:DescribeLoadBalancers": describe,
    "elasticloadbalancing:DeleteLoadBalancer": delete,
}
