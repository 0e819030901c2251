"""Networks: addresses, groups, subnets and the picture that the fabric enforces (H19, H21)."""

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from tests.sandbox.aws.conftest import Cloud, Network, code_of, instance, make_network, running

from holdfast_sandbox.ports import FirewallRule

POOL = IPv4Network("198.18.0.0/15")
PUBLIC = {"DeviceIndex": 0, "AssociatePublicIpAddress": True}


def test_h19_public_addresses_come_from_the_sandboxes_own_range(
    cloud: Cloud, network: Network
) -> None:
    nic = {**PUBLIC, "SubnetId": network.subnet}
    automatic = instance(cloud, running(cloud, network, NetworkInterfaces=[nic]))
    elastic = cloud.ec2.allocate_address(Domain="vpc")["PublicIp"]
    assert IPv4Address(automatic["PublicIpAddress"]) in POOL
    assert IPv4Address(elastic) in POOL
    assert elastic != automatic["PublicIpAddress"]


def test_h19_a_freed_address_is_not_given_out_again_at_once(cloud: Cloud) -> None:
    first = cloud.ec2.allocate_address(Domain="vpc")
    cloud.ec2.release_address(AllocationId=first["AllocationId"])
    assert cloud.ec2.allocate_address(Domain="vpc")["PublicIp"] != first["PublicIp"]


@pytest.mark.parametrize(
    "rule",
    [
        {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 99999},
        {"IpProtocol": "tcp", "FromPort": 90, "ToPort": 80},
        {"IpProtocol": "tcp"},
        {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "IpRanges": []},
        {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "IpRanges": [{"CidrIp": "10.0.0.1/8"}]},
    ],
)
def test_h21_a_rule_that_makes_no_sense_is_refused(
    cloud: Cloud, network: Network, rule: dict[str, Any]
) -> None:
    rule = {"IpRanges": [{"CidrIp": "0.0.0.0/0"}], **rule}
    authorize = cloud.ec2.authorize_security_group_ingress
    code = code_of(authorize, GroupId=network.group, IpPermissions=[rule])
    assert code == "InvalidParameterValue"


def test_h21_a_zone_of_another_region_is_refused(cloud: Cloud, network: Network) -> None:
    code = code_of(
        cloud.ec2.create_subnet,
        VpcId=network.vpc,
        CidrBlock="10.7.2.0/24",
        AvailabilityZone="us-east-1a",
    )
    assert code == "InvalidParameterValue"


def test_h21_a_group_of_another_vpc_is_refused(cloud: Cloud, network: Network) -> None:
    other = make_network(cloud, "10.8.0.0/16")
    pair = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": other.group}]}
    authorize = cloud.ec2.authorize_security_group_ingress
    assert (
        code_of(authorize, GroupId=network.group, IpPermissions=[pair]) == "InvalidGroup.NotFound"
    )
    nic = {"SubnetId": network.subnet, "Groups": [other.group]}
    assert code_of(cloud.ec2.create_network_interface, **nic) == "InvalidGroup.NotFound"


def test_a_rule_is_a_thing_with_an_id_and_tags(cloud: Cloud, network: Network) -> None:
    rule = {"IpProtocol": "tcp", "FromPort": 6443, "ToPort": 6443}
    made = cloud.ec2.authorize_security_group_ingress(
        GroupId=network.group,
        IpPermissions=[{**rule, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
        TagSpecifications=[
            {"ResourceType": "security-group-rule", "Tags": [{"Key": "k", "Value": "v"}]}
        ],
    )["SecurityGroupRules"][0]
    filters = [{"Name": "tag:k", "Values": ["v"]}]
    found = cloud.ec2.describe_security_group_rules(Filters=filters)["SecurityGroupRules"]
    assert [(r["SecurityGroupRuleId"], r["ToPort"]) for r in found] == [
        (made["SecurityGroupRuleId"], 6443)
    ]
    cloud.ec2.revoke_security_group_ingress(
        GroupId=network.group, SecurityGroupRuleIds=[made["SecurityGroupRuleId"]]
    )
    assert cloud.ec2.describe_security_group_rules(Filters=filters)["SecurityGroupRules"] == []
    code = code_of(
        cloud.ec2.revoke_security_group_ingress,
        GroupId=network.group,
        SecurityGroupRuleIds=[made["SecurityGroupRuleId"]],
    )
    assert code.startswith("InvalidPermission.") or code.endswith("NotFound")


def test_a_subnet_counts_its_free_addresses(cloud: Cloud, network: Network) -> None:
    def free() -> int:
        shown = cloud.ec2.describe_subnets(SubnetIds=[network.subnet])["Subnets"][0]
        return int(shown["AvailableIpAddressCount"])

    assert free() == 251
    name = running(cloud, network)
    assert free() == 250
    cloud.ec2.terminate_instances(InstanceIds=[name])
    cloud.settle()
    assert free() == 251


def test_own_subnets_are_no_default_ones(cloud: Cloud, network: Network) -> None:
    shown = cloud.ec2.describe_subnets(SubnetIds=[network.subnet])["Subnets"][0]
    assert (shown["DefaultForAz"], shown["MapPublicIpOnLaunch"]) == (False, False)


def test_the_picture_shows_links_groups_and_the_way_out(cloud: Cloud, network: Network) -> None:
    lonely = cloud.ec2.create_subnet(VpcId=network.vpc, CidrBlock="10.7.2.0/24")
    nic = {**PUBLIC, "SubnetId": network.subnet, "Groups": [network.group]}
    name = running(cloud, network, NetworkInterfaces=[nic])
    pair = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": network.group}]}
    web = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    web["IpRanges"] = [{"CidrIp": "198.18.0.2/32"}]
    cloud.ec2.authorize_security_group_ingress(GroupId=network.group, IpPermissions=[pair, web])

    picture = cloud.emulator.pictures()[network.vpc]
    vm = cloud.emulator.vm(name)
    assert vm is not None
    assert picture.cidr == IPv4Network("10.7.0.0/16")
    assert set(picture.subnets) == {IPv4Network("10.7.1.0/24"), IPv4Network("10.7.2.0/24")}
    assert picture.internet == (IPv4Network("10.7.1.0/24"),)
    assert [(p.machine, p.address, p.mac, p.public) for p in picture.ports] == [
        (name, vm.private_address, vm.mac, vm.public_address)
    ]
    group = next(group for group in picture.groups if group.id == network.group)
    assert group.members == (vm.private_address,)
    assert group.ingress == (
        FirewallRule("all", peer_groups=(network.group,)),
        FirewallRule("tcp", 443, 443, peers=(IPv4Network("198.18.0.2/32"),)),
    )
    assert group.egress == (FirewallRule("all", peers=(IPv4Network("0.0.0.0/0"),)),)
    assert lonely["Subnet"]["State"] == "available"


def test_changes_are_told(cloud: Cloud, network: Network) -> None:
    before = len(cloud.changes)
    cloud.ec2.describe_vpcs()
    assert len(cloud.changes) == before
    cloud.ec2.delete_security_group(GroupId=network.group)
    assert len(cloud.changes) == before + 1


def test_a_detached_gateway_leads_nowhere(cloud: Cloud, network: Network) -> None:
    cloud.ec2.detach_internet_gateway(InternetGatewayId=network.gateway, VpcId=network.vpc)
    assert cloud.emulator.pictures()[network.vpc].internet == ()


def test_routes_are_checked(cloud: Cloud, network: Network) -> None:
    other = make_network(cloud, "10.8.0.0/16")
    create = cloud.ec2.create_route
    way = {"RouteTableId": network.table, "DestinationCidrBlock": "0.0.0.0/0"}
    assert code_of(create, **way, GatewayId=network.gateway) == "RouteAlreadyExists"
    way["DestinationCidrBlock"] = "10.99.0.0/16"
    assert code_of(create, **way, GatewayId=other.gateway) == "InvalidParameterValue"
    missing = {"NatGatewayId": "nat-0123456789abcdef0"}
    assert code_of(create, **way, **missing) == "InvalidNatGatewayID.NotFound"


def test_user_tags_and_dns_attributes_of_a_vpc(cloud: Cloud, network: Network) -> None:
    cloud.ec2.modify_vpc_attribute(VpcId=network.vpc, EnableDnsHostnames={"Value": True})
    shown = cloud.ec2.describe_vpc_attribute(VpcId=network.vpc, Attribute="enableDnsHostnames")
    assert shown["EnableDnsHostnames"] == {"Value": True}
