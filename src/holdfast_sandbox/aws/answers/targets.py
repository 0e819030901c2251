"""Target groups and listeners of network load balancers; health comes from the real port (H34)."""

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from holdfast_sandbox.aws.answers import tagging
from holdfast_sandbox.aws.balancing import Listener, TargetGroup
from holdfast_sandbox.aws.call import Call
from holdfast_sandbox.aws.ec2.backend import backend_of
from holdfast_sandbox.aws.errors import AwsError, Gap
from holdfast_sandbox.aws.identities import Identity
from holdfast_sandbox.aws.world import World

PROTOCOLS = ("TCP", "UDP", "TCP_UDP")


def _ours(call: Call, world: World) -> Iterator[TargetGroup]:
    for group in world.state.balancing.groups.values():
        if (group.account, group.region) == (call.account, call.region):
            yield group


def _group(call: Call, world: World, arn: str) -> TargetGroup:
    for group in _ours(call, world):
        if group.arn == arn:
            return group
    raise AwsError("TargetGroupNotFound", f"Target group '{arn}' not found")


def _arn(call: Call, world: World, kind: str, name: str) -> str:
    number = world.chance(kind, name, str(len(world.state.record.entries))).getrandbits(64)
    place = f"arn:aws:elasticloadbalancing:{call.region}:{call.account}"
    return f"{place}:{kind}/{name}/{number:016x}"


def create_group(call: Call, _: Identity, world: World) -> dict[str, Any]:
    """CreateTargetGroup: the same name and settings again answer the same group."""
    name, protocol = str(call.params["Name"]), str(call.params.get("Protocol"))
    kind = str(call.params.get("TargetType") or "instance")
    if protocol not in PROTOCOLS or kind not in ("instance", "ip"):
        raise Gap("UnsupportedOperation", f"{protocol} target groups of {kind} are not emulated.")
    asked = {key: copy.deepcopy(value) for key, value in call.params.items() if key != "Tags"}
    for held in _ours(call, world):
        if held.name == name and held.asked == asked:
            return {"TargetGroups": [_shown(held, world)]}
        if held.name == name:
            text = f"A target group with the same name '{name}' exists, but with other settings"
            raise AwsError("DuplicateTargetGroupName", text)
    vpc = str(call.params.get("VpcId", ""))
    backend_of(call.account, call.region).get_vpc(vpc)
    group = TargetGroup(
        arn=_arn(call, world, "targetgroup", name),
        name=name,
        region=call.region,
        account=call.account,
        vpc=vpc,
        protocol=protocol,
        port=int(call.params["Port"]),
        kind=kind,
        asked=asked,
        tags=tagging.asked(call),
    )
    world.state.balancing.groups[group.arn] = group
    return {"TargetGroups": [_shown(group, world)]}


def _users(world: World, group: TargetGroup) -> list[str]:
    """ARNs of the balancers that forward to a group."""
    listeners = world.state.balancing.listeners.values()
    return sorted({held.balancer for held in listeners if held.group == group.arn})


def _shown(group: TargetGroup, world: World) -> dict[str, Any]:
    return {
        "TargetGroupArn": group.arn,
        "TargetGroupName": group.name,
        "Protocol": group.protocol,
        "Port": group.port,
        "VpcId": group.vpc,
        "TargetType": group.kind,
        "HealthCheckProtocol": "TCP",
        "HealthCheckPort": "traffic-port",
        "LoadBalancerArns": _users(world, group),
    }


def describe_groups(call: Call, _: Identity, world: World) -> dict[str, Any]:
    """DescribeTargetGroups, by ARN, name, balancer or all."""
    arns, names = call.params.get("TargetGroupArns"), call.params.get("Names")
    balancer = call.params.get("LoadBalancerArn")
    found = [
        held
        for held in _ours(call, world)
        if (not arns or held.arn in arns)
        and (not names or held.name in names)
        and (not balancer or balancer in _users(world, held))
    ]
    if len(found) < len(arns or names or []):
        raise AwsError("TargetGroupNotFound", f"One or more of {arns or names} are not found")
    return tagging.paged(call, world, "TargetGroups", [_shown(held, world) for held in found])


def delete_group(call: Call, _: Identity, world: World) -> dict[str, Any]:
    """DeleteTargetGroup: only one that no listener uses."""
    arn = str(call.params["TargetGroupArn"])
    group = world.state.balancing.groups.get(arn)
    if group is not None and _users(world, group):
        text = f"Target group '{arn}' is currently in use by a listener or a rule"
        raise AwsError("ResourceInUse", text)
    world.state.balancing.groups.pop(arn, None)
    return {}


def register(call: Call, _: Identity, world: World) -> dict[str, Any]:
    """RegisterTargets: machines of the group's own VPC that live."""
    group = _group(call, world, str(call.params["TargetGroupArn"]))
    backend = backend_of(call.account, call.region)
    wanted = []
    for target in call.params["Targets"]:
        name = str(target["Id"])
        if group.kind == "instance":
            machine = next((m for m in backend.machines() if m.id == name), None)
            if machine is None or machine.vpc_id != group.vpc or machine.state != "running":
                text = f"Target '{name}' is not in a running state and cannot be registered"
                raise AwsError("InvalidTarget", text)
        wanted.append((name, int(target.get("Port") or group.port)))
    group.targets += [target for target in wanted if target not in group.targets]
    return {}


def deregister(call: Call, _: Identity, world: World) -> dict[str, Any]:
    """DeregisterTargets: at once, without draining."""
    group = _group(call, world, str(call.params["TargetGroupArn"]))
    for target in call.params["Targets"]:
        port = target.get("Port")
        group.targets = [
            held
            for held in group.targets
            if held[0] != target["Id"] or (port and int(port) != held[1])
        ]
    return {}


def health(call: Call, _: Identity, world: World) -> dict[str, Any]:
    """DescribeTargetHealth: what the machines answer now."""
    group = _group(call, world, str(call.params["TargetGroupArn"]))
    used = bool(_users(world, group))
    shown = []
    for name, port in group.targets:
        if not used:
            state = {"State": "unused", "Reason": "Target.NotInUse"}
        elif world.answers(name, port):
            state = {"State": "healthy"}
        else:
            state = {"State": "unhealthy", "Reason": "Target.FailedHealthChecks"}
        shown.append({"Target": {"Id": name, "Port": port}, "TargetHealth": state})
    return {"TargetHealthDescriptions": shown}


def create_listener(call: Call, _: Identity, world: World) -> dict[str, Any]:
    """CreateListener: one per port of a balancer, forwarding to one group."""
    arn = str(call.params["LoadBalancerArn"])
    balancing = world.state.balancing
    if arn not in balancing.balancers:
        raise AwsError("LoadBalancerNotFound", f"Load balancer '{arn}' not found")
    port = int(call.params["Port"])
    if any(held.balancer == arn and held.port == port for held in balancing.listeners.values()):
        text = "A listener already exists on this port for this load balancer"
        raise AwsError("DuplicateListener", text)
    actions = call.params["DefaultActions"]
    if (
        len(actions) != 1
        or actions[0].get("Type") != "forward"
        or not actions[0].get("TargetGroupArn")
    ):
        raise Gap("UnsupportedOperation", "Only forwarding to one target group is emulated.")
    group = _group(call, world, str(actions[0]["TargetGroupArn"]))
    balancer = balancing.balancers[arn]
    name = f"net/{balancer.name}/{arn.rpartition('/')[2]}"
    listener = Listener(
        arn=_arn(call, world, "listener", name),
        balancer=arn,
        protocol=str(call.params.get("Protocol", "TCP")),
        port=port,
        group=group.arn,
        tags=tagging.asked(call),
    )
    balancing.listeners[listener.arn] = listener
    return {"Listeners": [_listener(listener)]}


def _listener(listener: Listener) -> dict[str, Any]:
    return {
        "ListenerArn": listener.arn,
        "LoadBalancerArn": listener.balancer,
        "Port": listener.port,
        "Protocol": listener.protocol,
        "DefaultActions": [{"Type": "forward", "TargetGroupArn": listener.group}],
    }


def describe_listeners(call: Call, _: Identity, world: World) -> dict[str, Any]:
    """DescribeListeners of one balancer, or by ARN."""
    balancer, arns = call.params.get("LoadBalancerArn"), call.params.get("ListenerArns")
    found = [
        held
        for held in world.state.balancing.listeners.values()
        if (not balancer or held.balancer == balancer) and (not arns or held.arn in arns)
    ]
    if len(found) < len(arns or []):
        raise AwsError("ListenerNotFound", f"One or more of {arns} are not found")
    return tagging.paged(call, world, "Listeners", [_listener(held) for held in found])


def delete_listener(call: Call, _: Identity, world: World) -> dict[str, Any]:
    """DeleteListener."""
    arn = str(call.params["ListenerArn"])
    if world.state.balancing.listeners.pop(arn, None) is None:
        raise AwsError("ListenerNotFound", f"Listener '{arn}' not found")
    return {}


ANSWERS: Mapping[str, Callable[[Call, Identity, World], dict[str, Any]]] = {
    "elasticloadbalancing:CreateTargetGroup": create_group,
    "elasticloadbalancing:DescribeTargetGroups": describe_groups,
    "elasticloadbalancing:DeleteTargetGroup": delete_group,
    "elasticloadbalancing:RegisterTargets": register,
    "elasticloadbalancing:DeregisterTargets": deregister,
    "elasticloadbalancing:DescribeTargetHealth": health,
    "elasticloadbalancing:CreateListener": create_listener,
    "elasticloadbalancing:DescribeListeners": describe_listeners,
    "elasticloadbalancing:DeleteListener": delete_listener,
}
