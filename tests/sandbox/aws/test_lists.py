"""Listings: delay, filters, pages, tags: rows H26, H43, H44, H46, H47, H51."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.sandbox.aws.conftest import (
    Cloud,
    Network,
    code_of,
    instance,
    launch,
    make_network,
    refusal,
    running,
)

from holdfast_sandbox.aws.faults import Fault, Kind


def names(cloud: Cloud, **filters: list[str]) -> set[str]:
    wanted = [
        {"Name": k.replace("__", ".").replace("_", "-"), "Values": v} for k, v in filters.items()
    ]
    found = cloud.ec2.describe_instances(Filters=wanted)["Reservations"]
    return {machine["InstanceId"] for group in found for machine in group["Instances"]}


def test_h26_new_things_come_into_sight_late(a_cloud: Callable[..., Cloud]) -> None:
    cloud = a_cloud(visibility=timedelta(seconds=60))
    vpc = cloud.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    assert code_of(cloud.ec2.describe_vpcs, VpcIds=[vpc]) == "InvalidVpcID.NotFound"
    cloud.clock.turn(seconds=29)
    assert code_of(cloud.ec2.describe_vpcs, VpcIds=[vpc]) == "InvalidVpcID.NotFound"
    cloud.clock.turn(seconds=32)
    assert cloud.ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["VpcId"] == vpc


def test_h26_new_machines_are_in_no_filter_either(cloud: Cloud, network: Network) -> None:
    cloud.emulator.faults.add(Fault(Kind.VISIBILITY, action="DescribeInstances", value=60))
    name = launch(cloud, network, ClientToken="late")[0]["InstanceId"]
    assert names(cloud, client_token=["late"]) == set()
    cloud.clock.turn(seconds=61)
    assert names(cloud, client_token=["late"]) == {name}


def test_h26_gone_things_stay_in_sight(cloud: Cloud, network: Network) -> None:
    cloud.emulator.faults.add(Fault(Kind.VISIBILITY, value=60))
    cloud.ec2.delete_security_group(GroupId=network.group)

    def listed() -> bool:
        found = cloud.ec2.describe_security_groups()["SecurityGroups"]
        return network.group in {group["GroupId"] for group in found}

    assert listed()
    cloud.clock.turn(seconds=61)
    assert not listed()


def test_h26_a_stale_page_shows_the_world_before(cloud: Cloud, network: Network) -> None:
    assert names(cloud) == set()
    cloud.emulator.faults.add(Fault(Kind.STALE, action="DescribeInstances", count=1))
    name = running(cloud, network)
    assert names(cloud) == set()
    assert names(cloud) == {name}


@pytest.mark.parametrize(
    ("filters", "fits"),
    [
        ({"client_token": ["tok*"]}, True),
        ({"client_token": ["tok"]}, False),
        ({"instance_state_code": ["16"]}, True),
        ({"instance_state_name": ["pending", "running"]}, True),
        ({"instance_state_name": ["stopped"]}, False),
        ({"instance_lifecycle": ["spot"]}, False),
        ({"network_interface__addresses__private_ip_address": ["10.7.1.?"]}, True),
        ({"network_interface__group_id": ["sg-*"]}, True),
        ({"instance__group_id": ["sg-*"]}, True),
        ({"tag:Name": ["node-\\*"]}, True),
        ({"tag:Name": ["node-\\?"]}, False),
        ({"tag_key": ["Name"]}, True),
        ({"instance_type": ["t3.*"], "architecture": ["x86_64"]}, True),
        ({"image_id": ["ami-*"], "key_name": ["x"]}, False),
    ],
)
def test_h43_filters_of_machines(
    cloud: Cloud, network: Network, filters: dict[str, list[str]], fits: bool
) -> None:
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "node-*"}]}]
    name = running(cloud, network, ClientToken="token", TagSpecifications=tags)
    assert names(cloud, **filters) == ({name} if fits else set())


def test_h43_an_unknown_filter_is_refused(cloud: Cloud) -> None:
    for call in (
        cloud.ec2.describe_instances,
        cloud.ec2.describe_vpcs,
        cloud.ec2.describe_security_groups,
        cloud.ec2.describe_network_acls,
        cloud.ec2.describe_key_pairs,
    ):
        code = code_of(call, Filters=[{"Name": "colour", "Values": ["red"]}])
        assert code == "InvalidParameterValue", call


def test_h44_what_is_not_emulated_is_refused_loudly_and_counted(cloud: Cloud) -> None:
    assert refusal(cloud.ec2.describe_capacity_reservations) == ("InvalidAction", 400)
    dynamo = cloud.client("dynamodb")
    assert refusal(dynamo.list_tables) == ("UnknownOperationException", 400)
    quotas = cloud.client("service-quotas")
    assert refusal(quotas.list_services) == ("UnknownOperationException", 400)
    gaps = {(gap.service, gap.action) for gap in cloud.emulator.record.gaps}
    assert ("ec2", "DescribeCapacityReservations") in gaps
    assert len(cloud.emulator.record.gaps) == 3


def test_h44_an_unknown_region_is_refused(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2", "mars-north-1")
    assert refusal(ec2.describe_vpcs) == ("OptInRequired", 403)
    regions = {region["RegionName"] for region in cloud.ec2.describe_regions()["Regions"]}
    assert "eu-central-1" in regions
    code = code_of(cloud.ec2.describe_regions, RegionNames=["mars-north-1"])
    assert code == "InvalidParameterValue"


@pytest.mark.parametrize(
    ("operation", "result"),
    [
        ("describe_instances", "Reservations"),
        ("describe_subnets", "Subnets"),
        ("describe_security_groups", "SecurityGroups"),
        ("describe_security_group_rules", "SecurityGroupRules"),
        ("describe_network_interfaces", "NetworkInterfaces"),
        ("describe_volumes", "Volumes"),
        ("describe_route_tables", "RouteTables"),
        ("describe_vpcs", "Vpcs"),
        ("describe_tags", "Tags"),
    ],
)
def test_h46_every_listing_has_pages(
    a_cloud: Callable[..., Cloud], operation: str, result: str
) -> None:
    cloud = a_cloud(page=1)
    network = make_network(cloud)
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "k", "Value": "v"}]}]
    for _ in range(3):
        launch(cloud, network, TagSpecifications=tags)
    pages = list(cloud.ec2.get_paginator(operation).paginate())
    things = [thing for page in pages for thing in page.get(result, [])]
    whole = [repr(sorted(thing.items(), key=str)) for thing in things]
    assert len(pages) > 1
    assert len(set(whole)) == len(whole) >= 2
    assert code_of(getattr(cloud.ec2, operation), NextToken="nonsense") == "InvalidNextToken"


def test_h46_ids_and_pages_exclude_each_other(cloud: Cloud, network: Network) -> None:
    describe = cloud.ec2.describe_subnets
    code = code_of(describe, SubnetIds=[network.subnet], MaxResults=5)
    assert code == "InvalidParameterCombination"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("vpc-0123456789abcdef0", "InvalidVpcID.NotFound"),
        ("i-0123456789abcdef0", "InvalidInstanceID.NotFound"),
        ("sg-0123456789abcdef0", "InvalidGroup.NotFound"),
        ("eipalloc-0123456789abcdef0", "InvalidAllocationID.NotFound"),
        ("vol-0123456789abcdef0", "InvalidVolume.NotFound"),
        ("wat-0123456789abcdef0", "InvalidID"),
    ],
)
def test_h47_only_what_exists_can_be_tagged(cloud: Cloud, name: str, code: str) -> None:
    tags = [{"Key": "k", "Value": "v"}]
    assert code_of(cloud.ec2.create_tags, Resources=[name], Tags=tags) == code


def test_h47_reserved_long_and_too_many_tags_are_refused(cloud: Cloud, network: Network) -> None:
    def tag(*tags: tuple[str, str]) -> str:
        wanted = [{"Key": key, "Value": value} for key, value in tags]
        return code_of(cloud.ec2.create_tags, Resources=[network.vpc], Tags=wanted)

    assert tag(("aws:mine", "x")) == "InvalidParameterValue"
    assert tag(("k" * 128, "x")) == "InvalidParameterValue"
    assert tag(("k", "x" * 257)) == "InvalidParameterValue"
    assert tag(*((f"k{n}", "x") for n in range(51))) == "TagLimitExceeded"
    specification = {"ResourceType": "vpc", "Tags": [{"Key": "aws:x", "Value": "x"}]}
    create = cloud.ec2.create_vpc
    code = code_of(create, CidrBlock="10.9.0.0/16", TagSpecifications=[specification])
    assert code == "InvalidParameterValue"


def test_h47_tags_are_set_changed_and_removed(cloud: Cloud, network: Network) -> None:
    ec2, resources = cloud.ec2, [network.vpc, network.gateway]
    ec2.create_tags(Resources=resources, Tags=[{"Key": "k", "Value": "1"}])
    ec2.create_tags(Resources=resources, Tags=[{"Key": "k", "Value": "2"}])
    shown = ec2.describe_vpcs(VpcIds=[network.vpc])["Vpcs"][0]
    assert shown["Tags"] == [{"Key": "k", "Value": "2"}]
    ec2.delete_tags(Resources=resources, Tags=[{"Key": "k"}])
    assert "Tags" not in ec2.describe_vpcs(VpcIds=[network.vpc])["Vpcs"][0] or (
        ec2.describe_vpcs(VpcIds=[network.vpc])["Vpcs"][0]["Tags"] == []
    )


def test_h51_a_filtered_listing_of_many_machines_is_fast(cloud: Cloud, network: Network) -> None:
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "k", "Value": "v"}]}]
    launch(
        cloud, network, MinCount=60, MaxCount=60, TagSpecifications=tags, InstanceType="t3.micro"
    )
    ec2 = cloud.ec2
    filters: list[Any] = [{"Name": "tag:k", "Values": ["v"]}, {"Name": "tag:q", "Values": ["v"]}]
    ec2.describe_instances(Filters=filters)
    start = time.process_time()
    for _ in range(5):
        assert ec2.describe_instances(Filters=filters)["Reservations"] == []
    assert (time.process_time() - start) / 5 < 0.15


def test_a_machine_is_shown_in_its_reservation(cloud: Cloud, network: Network) -> None:
    made = cloud.ec2.run_instances(
        ImageId=cloud.image(),
        InstanceType="t3.medium",
        MinCount=2,
        MaxCount=2,
        SubnetId=network.subnet,
    )
    found = cloud.ec2.describe_instances()["Reservations"]
    assert [group["ReservationId"] for group in found] == [made["ReservationId"]]
    assert len(found[0]["Instances"]) == 2
    assert instance(cloud, made["Instances"][0]["InstanceId"])["State"]["Name"] == "pending"
