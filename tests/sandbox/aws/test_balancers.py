"""Network load balancers: row H34."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.sandbox.aws.conftest import Cloud, Network, code_of, make_network, running


def balancer(cloud: Cloud, network: Network, **more: Any) -> dict[str, Any]:
    params = {"Name": "api", "Type": "network", "Subnets": [network.subnet], **more}
    made: dict[str, Any] = cloud.client("elbv2").create_load_balancer(**params)["LoadBalancers"][0]
    return made


def group(cloud: Cloud, network: Network, **more: Any) -> str:
    params = {"Name": "api", "Protocol": "TCP", "Port": 6443, "VpcId": network.vpc, **more}
    made = cloud.client("elbv2").create_target_group(**params)["TargetGroups"][0]
    return str(made["TargetGroupArn"])


def listener(cloud: Cloud, arn: str, target: str) -> str:
    made = cloud.client("elbv2").create_listener(
        LoadBalancerArn=arn,
        Protocol="TCP",
        Port=6443,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": target}],
    )["Listeners"][0]
    return str(made["ListenerArn"])


def test_h34_the_same_balancer_twice_is_one(cloud: Cloud, network: Network) -> None:
    first = balancer(cloud, network)
    assert ":loadbalancer/net/api/" in first["LoadBalancerArn"]
    assert balancer(cloud, network)["LoadBalancerArn"] == first["LoadBalancerArn"]
    code = code_of(lambda: balancer(cloud, network, Scheme="internal"))
    assert code == "DuplicateLoadBalancerName"
    assert group(cloud, network) == group(cloud, network)
    assert code_of(lambda: group(cloud, network, Port=1)) == "DuplicateTargetGroupName"


def test_h34_a_balancer_is_provisioned_first(a_cloud: Callable[..., Cloud]) -> None:
    cloud = a_cloud(nat_delay=timedelta(seconds=30))
    made = balancer(cloud, make_network(cloud))
    assert made["State"]["Code"] == "provisioning"
    cloud.clock.turn(seconds=31)
    shown = cloud.client("elbv2").describe_load_balancers(Names=["api"])["LoadBalancers"][0]
    assert shown["State"]["Code"] == "active"


def test_h34_a_reserved_address_of_a_balancer_is_shown(cloud: Cloud, network: Network) -> None:
    address = cloud.ec2.allocate_address(Domain="vpc")
    mapping = [{"SubnetId": network.subnet, "AllocationId": address["AllocationId"]}]
    made = cloud.client("elbv2").create_load_balancer(
        Name="api", Type="network", SubnetMappings=mapping
    )["LoadBalancers"][0]
    shown = made["AvailabilityZones"][0]["LoadBalancerAddresses"][0]
    assert (shown["IpAddress"], shown["AllocationId"]) == (
        address["PublicIp"],
        address["AllocationId"],
    )


def test_h34_a_balancer_holds_its_subnet_until_its_links_are_gone(
    a_cloud: Callable[..., Cloud],
) -> None:
    cloud = a_cloud(nat_delay=timedelta(seconds=30))
    network = make_network(cloud)
    arn = balancer(cloud, network)["LoadBalancerArn"]
    nic = cloud.ec2.describe_network_interfaces()["NetworkInterfaces"][0]
    assert (nic["RequesterId"], nic["Description"][:11]) == ("amazon-elb", "ELB net/api")
    held = {"SubnetId": network.subnet}
    assert code_of(cloud.ec2.delete_subnet, **held) == "DependencyViolation"
    for _ in range(2):
        cloud.client("elbv2").delete_load_balancer(LoadBalancerArn=arn)
    assert code_of(cloud.ec2.delete_subnet, **held) == "DependencyViolation"
    cloud.clock.turn(seconds=31)
    cloud.ec2.delete_subnet(**held)
    code = code_of(cloud.client("elbv2").describe_load_balancers, LoadBalancerArns=[arn])
    assert code == "LoadBalancerNotFound"


def test_h34_one_listener_a_port_and_a_used_group_stays(cloud: Cloud, network: Network) -> None:
    elb = cloud.client("elbv2")
    arn, target = balancer(cloud, network)["LoadBalancerArn"], group(cloud, network)
    made = listener(cloud, arn, target)
    assert code_of(lambda: listener(cloud, arn, target)) == "DuplicateListener"
    assert code_of(elb.delete_target_group, TargetGroupArn=target) == "ResourceInUse"
    elb.delete_listener(ListenerArn=made)
    elb.delete_target_group(TargetGroupArn=target)


def test_h34_health_comes_from_the_real_port(cloud: Cloud, network: Network) -> None:
    elb, target = cloud.client("elbv2"), group(cloud, network)
    name = running(cloud, network)

    def health() -> str:
        found = elb.describe_target_health(TargetGroupArn=target)["TargetHealthDescriptions"]
        return str(found[0]["TargetHealth"]["State"])

    elb.register_targets(TargetGroupArn=target, Targets=[{"Id": name}])
    assert health() == "unused"
    listener(cloud, balancer(cloud, network)["LoadBalancerArn"], target)
    up = {name: False}
    cloud.emulator.health_from(lambda vm, port: up[vm] and port == 6443)
    assert health() == "unhealthy"
    up[name] = True
    assert health() == "healthy"
    elb.deregister_targets(TargetGroupArn=target, Targets=[{"Id": name}])
    assert elb.describe_target_health(TargetGroupArn=target)["TargetHealthDescriptions"] == []


@pytest.mark.parametrize("name", ["i-0123456789abcdef0"])
def test_h34_an_unknown_target_is_refused(cloud: Cloud, network: Network, name: str) -> None:
    register = cloud.client("elbv2").register_targets
    code = code_of(register, TargetGroupArn=group(cloud, network), Targets=[{"Id": name}])
    assert code == "InvalidTarget"


def test_balancers_have_tags_pages_and_a_price(a_cloud: Callable[..., Cloud]) -> None:
    cloud = a_cloud(page=1)
    network = make_network(cloud)
    tags = [{"Key": "kubernetes.io/cluster/c", "Value": "owned"}]
    arn = balancer(cloud, network, Tags=tags)["LoadBalancerArn"]
    balancer(cloud, network, Name="web")
    elb = cloud.client("elbv2")
    pages = list(elb.get_paginator("describe_load_balancers").paginate())
    assert [len(page["LoadBalancers"]) for page in pages] == [1, 1]
    assert elb.describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"] == tags
    found = cloud.emulator.truth("kubernetes.io/cluster/c", "owned")
    assert [(thing["kind"], thing["price_per_hour"] > 0) for thing in found] == [
        ("load-balancer", True)
    ]


def test_application_load_balancers_are_refused(cloud: Cloud, network: Network) -> None:
    code = code_of(lambda: balancer(cloud, network, Type="application"))
    assert code == "UnsupportedOperation"
    assert len(cloud.emulator.record.gaps) == 1
