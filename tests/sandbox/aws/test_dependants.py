"""What holds what, and the order of deletion that follows: rows H11-H18."""

from typing import Any

import pytest
from tests.sandbox.aws.conftest import (
    Cloud,
    Network,
    code_of,
    instance,
    launch,
    make_network,
    running,
)


def terminated(cloud: Cloud, name: str) -> None:
    cloud.ec2.terminate_instances(InstanceIds=[name])
    cloud.settle()


def nat_gateway(cloud: Cloud, network: Network) -> tuple[str, str]:
    address = cloud.ec2.allocate_address(Domain="vpc")["AllocationId"]
    made = cloud.ec2.create_nat_gateway(SubnetId=network.subnet, AllocationId=address)
    return made["NatGateway"]["NatGatewayId"], address


def test_h11_a_subnet_with_a_machine_cannot_be_deleted(cloud: Cloud, network: Network) -> None:
    name = running(cloud, network)
    delete = cloud.ec2.delete_subnet
    assert code_of(delete, SubnetId=network.subnet) == "DependencyViolation"
    cloud.ec2.terminate_instances(InstanceIds=[name])
    assert code_of(delete, SubnetId=network.subnet) == "DependencyViolation"
    cloud.settle()
    delete(SubnetId=network.subnet)


def test_h11_a_subnet_with_a_link_or_a_nat_gateway_cannot_be_deleted(
    cloud: Cloud, network: Network
) -> None:
    ec2 = cloud.ec2
    made = ec2.create_network_interface(SubnetId=network.subnet)["NetworkInterface"]
    assert code_of(ec2.delete_subnet, SubnetId=network.subnet) == "DependencyViolation"
    ec2.delete_network_interface(NetworkInterfaceId=made["NetworkInterfaceId"])
    nat, _ = nat_gateway(cloud, network)
    assert code_of(ec2.delete_subnet, SubnetId=network.subnet) == "DependencyViolation"
    ec2.delete_nat_gateway(NatGatewayId=nat)
    cloud.clock.turn(seconds=1)
    ec2.delete_subnet(SubnetId=network.subnet)


def test_h12_a_vpc_goes_last(cloud: Cloud, network: Network) -> None:
    ec2, vpc = cloud.ec2, network.vpc

    def held() -> bool:
        return code_of(ec2.delete_vpc, VpcId=vpc) == "DependencyViolation"

    assert held()
    ec2.delete_security_group(GroupId=network.group)
    assert held()
    association = ec2.describe_route_tables(RouteTableIds=[network.table])["RouteTables"][0]
    ec2.disassociate_route_table(
        AssociationId=association["Associations"][0]["RouteTableAssociationId"]
    )
    ec2.delete_route_table(RouteTableId=network.table)
    assert held()
    ec2.detach_internet_gateway(InternetGatewayId=network.gateway, VpcId=vpc)
    assert held()
    ec2.delete_subnet(SubnetId=network.subnet)
    ec2.delete_vpc(VpcId=vpc)
    assert code_of(ec2.describe_vpcs, VpcIds=[vpc]) == "InvalidVpcID.NotFound"
    left = {group["VpcId"] for group in ec2.describe_security_groups()["SecurityGroups"]}
    assert vpc not in left
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])
    assert tables["RouteTables"] == []


def test_h13_a_group_in_use_referenced_or_default_stays(cloud: Cloud, network: Network) -> None:
    ec2 = cloud.ec2
    name = running(cloud, network)
    delete = ec2.delete_security_group
    assert code_of(delete, GroupId=network.group) == "DependencyViolation"
    terminated(cloud, name)
    other = ec2.create_security_group(GroupName="lb", Description="d", VpcId=network.vpc)
    pair = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": network.group}]}
    ec2.authorize_security_group_ingress(GroupId=other["GroupId"], IpPermissions=[pair])
    assert code_of(delete, GroupId=network.group) == "DependencyViolation"
    ec2.revoke_security_group_ingress(GroupId=other["GroupId"], IpPermissions=[pair])
    delete(GroupId=network.group)
    filters = [
        {"Name": "vpc-id", "Values": [network.vpc]},
        {"Name": "group-name", "Values": ["default"]},
    ]
    default = ec2.describe_security_groups(Filters=filters)["SecurityGroups"][0]["GroupId"]
    assert code_of(delete, GroupId=default) == "CannotDelete"


def test_h13_a_group_may_name_itself(cloud: Cloud, network: Network) -> None:
    pair = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": network.group}]}
    cloud.ec2.authorize_security_group_ingress(GroupId=network.group, IpPermissions=[pair])
    cloud.ec2.delete_security_group(GroupId=network.group)


def test_h14_an_attached_link_cannot_be_deleted(cloud: Cloud, network: Network) -> None:
    nic = instance(cloud, running(cloud, network))["NetworkInterfaces"][0]["NetworkInterfaceId"]
    code = code_of(cloud.ec2.delete_network_interface, NetworkInterfaceId=nic)
    assert code == "InvalidParameterValue"


def test_h15_an_associated_address_cannot_be_released(cloud: Cloud, network: Network) -> None:
    ec2 = cloud.ec2
    name = running(cloud, network)
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    bound = ec2.associate_address(AllocationId=address, InstanceId=name)["AssociationId"]
    assert code_of(ec2.release_address, AllocationId=address) == "InvalidIPAddress.InUse"
    ec2.disassociate_address(AssociationId=bound)
    ec2.release_address(AllocationId=address)
    assert ec2.describe_addresses()["Addresses"] == []


def test_h15_a_terminated_machine_lets_its_reserved_address_go(
    cloud: Cloud, network: Network
) -> None:
    ec2 = cloud.ec2
    name = running(cloud, network)
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    ec2.associate_address(AllocationId=address, InstanceId=name)
    terminated(cloud, name)
    shown = ec2.describe_addresses(AllocationIds=[address])["Addresses"][0]
    assert "AssociationId" not in shown
    ec2.release_address(AllocationId=address)


def test_an_address_moves_to_another_machine_and_repeats_are_harmless(
    cloud: Cloud, network: Network
) -> None:
    ec2 = cloud.ec2
    nic = {"DeviceIndex": 0, "SubnetId": network.subnet, "AssociatePublicIpAddress": True}
    first, second = (running(cloud, network, NetworkInterfaces=[nic]) for _ in range(2))
    own = instance(cloud, first)["PublicIpAddress"]
    made = ec2.allocate_address(Domain="vpc")
    bound = ec2.associate_address(AllocationId=made["AllocationId"], InstanceId=first)
    again = ec2.associate_address(AllocationId=made["AllocationId"], InstanceId=first)
    assert again["AssociationId"] == bound["AssociationId"]
    assert instance(cloud, first)["PublicIpAddress"] == made["PublicIp"]
    refused = {"AllocationId": made["AllocationId"], "InstanceId": second}
    code = code_of(ec2.associate_address, **refused, AllowReassociation=False)
    assert code == "Resource.AlreadyAssociated"
    ec2.associate_address(**refused)
    assert instance(cloud, second)["PublicIpAddress"] == made["PublicIp"]
    assert instance(cloud, first)["PublicIpAddress"] not in (own, made["PublicIp"])


def test_h16_one_internet_gateway_per_vpc(cloud: Cloud, network: Network) -> None:
    other = cloud.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    attach = cloud.ec2.attach_internet_gateway
    code = code_of(attach, InternetGatewayId=other, VpcId=network.vpc)
    assert code == "InvalidParameterValue"
    delete = cloud.ec2.delete_internet_gateway
    assert code_of(delete, InternetGatewayId=network.gateway) == "DependencyViolation"


def test_h16_a_gateway_with_mapped_addresses_stays_attached(cloud: Cloud, network: Network) -> None:
    nic = {"DeviceIndex": 0, "SubnetId": network.subnet, "AssociatePublicIpAddress": True}
    name = running(cloud, network, NetworkInterfaces=[nic])
    params = {"InternetGatewayId": network.gateway, "VpcId": network.vpc}
    assert code_of(cloud.ec2.detach_internet_gateway, **params) == "DependencyViolation"
    terminated(cloud, name)
    cloud.ec2.detach_internet_gateway(**params)


def test_h17_the_main_route_table_cannot_be_deleted(cloud: Cloud, network: Network) -> None:
    filters = [
        {"Name": "vpc-id", "Values": [network.vpc]},
        {"Name": "association.main", "Values": ["true"]},
    ]
    main = cloud.ec2.describe_route_tables(Filters=filters)["RouteTables"]
    assert len(main) == 1
    delete = cloud.ec2.delete_route_table
    code = code_of(delete, RouteTableId=main[0]["RouteTableId"])
    assert code == "DependencyViolation"
    assert code_of(delete, RouteTableId=network.table) == "DependencyViolation"


def test_h18_a_nat_gateway_lives_and_leaves_nothing(a_cloud: Any) -> None:
    from datetime import timedelta  # noqa: PLC0415

    cloud = a_cloud(nat_delay=timedelta(seconds=30))
    network = make_network(cloud)
    nat, address = nat_gateway(cloud, network)

    def shown() -> Any:
        return cloud.ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]

    assert shown()["State"] == "pending"
    assert shown()["NatGatewayAddresses"][0]["PrivateIp"].startswith("10.7.1.")
    cloud.clock.turn(seconds=31)
    assert shown()["State"] == "available"
    release = cloud.ec2.release_address
    assert code_of(release, AllocationId=address) == "InvalidIPAddress.InUse"
    cloud.ec2.delete_nat_gateway(NatGatewayId=nat)
    assert shown()["State"] == "deleting"
    assert code_of(cloud.ec2.delete_subnet, SubnetId=network.subnet) == "DependencyViolation"
    cloud.clock.turn(seconds=31)
    assert shown()["State"] == "deleted"
    release(AllocationId=address)
    cloud.ec2.delete_subnet(SubnetId=network.subnet)
    cloud.clock.turn(hours=2)
    assert cloud.ec2.describe_nat_gateways()["NatGateways"] == []


def test_the_documented_order_of_deletion_leaves_nothing(cloud: Cloud, network: Network) -> None:
    ec2 = cloud.ec2
    nic = {
        "DeviceIndex": 0,
        "SubnetId": network.subnet,
        "Groups": [network.group],
        "AssociatePublicIpAddress": True,
    }
    name = running(cloud, network, NetworkInterfaces=[nic])
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    ec2.associate_address(AllocationId=address, InstanceId=name)
    terminated(cloud, name)
    ec2.release_address(AllocationId=address)
    ec2.delete_security_group(GroupId=network.group)
    table = ec2.describe_route_tables(RouteTableIds=[network.table])["RouteTables"][0]
    for association in table["Associations"]:
        ec2.disassociate_route_table(AssociationId=association["RouteTableAssociationId"])
    ec2.delete_route_table(RouteTableId=network.table)
    ec2.detach_internet_gateway(InternetGatewayId=network.gateway, VpcId=network.vpc)
    ec2.delete_internet_gateway(InternetGatewayId=network.gateway)
    ec2.delete_subnet(SubnetId=network.subnet)
    ec2.delete_vpc(VpcId=network.vpc)
    assert cloud.emulator.truth() == []
    assert cloud.emulator.pictures() == {}


@pytest.mark.parametrize("repeat", [1, 2])
def test_deleting_what_is_gone_says_so(cloud: Cloud, network: Network, repeat: int) -> None:
    ec2 = cloud.ec2
    ec2.delete_security_group(GroupId=network.group)
    for _ in range(repeat):
        assert code_of(ec2.delete_security_group, GroupId=network.group) == "InvalidGroup.NotFound"
    launch_code = code_of(lambda: launch(cloud, network))
    assert launch_code == "InvalidGroup.NotFound"
