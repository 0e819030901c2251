"""Quotas and capacity: rows H23 and H24."""

from collections.abc import Callable

from tests.sandbox.aws.conftest import (
    ZONE,
    Cloud,
    Network,
    code_of,
    launch,
    make_network,
    refusal,
    running,
)

from holdfast_sandbox.aws.faults import Fault, Kind
from holdfast_sandbox.aws.settings import QUOTAS

SPOT = {"MarketType": "spot"}


def quota(**values: float) -> dict[str, float]:
    return {**QUOTAS, **{name.replace("_", "-"): value for name, value in values.items()}}


def test_h23_vcpus_are_limited_per_market(a_cloud: Callable[..., Cloud]) -> None:
    cloud = a_cloud(quotas=quota(L_1216C47A=4, L_34B43A08=2))
    network = make_network(cloud)
    assert len(launch(cloud, network, MinCount=1, MaxCount=9)) == 2
    assert code_of(lambda: launch(cloud, network)) == "VcpuLimitExceeded"
    launch(cloud, network, InstanceMarketOptions=SPOT)
    code = code_of(lambda: launch(cloud, network, InstanceMarketOptions=SPOT))
    assert code == "MaxSpotInstanceCountExceeded"


def test_h23_a_terminated_machine_gives_its_vcpus_back(a_cloud: Callable[..., Cloud]) -> None:
    cloud = a_cloud(quotas=quota(L_1216C47A=2))
    network = make_network(cloud)
    name = running(cloud, network)
    assert code_of(lambda: launch(cloud, network)) == "VcpuLimitExceeded"
    cloud.ec2.terminate_instances(InstanceIds=[name])
    launch(cloud, network)


def test_h23_addresses_vpcs_gateways_and_rules_are_limited(a_cloud: Callable[..., Cloud]) -> None:
    cloud = a_cloud(quotas=quota(L_0263D0A3=1, L_F678F1CE=2, L_A4707A72=1, L_0EA8095F=1))
    ec2 = cloud.ec2
    network = make_network(cloud)
    ec2.allocate_address(Domain="vpc")
    assert code_of(ec2.allocate_address, Domain="vpc") == "AddressLimitExceeded"
    assert code_of(ec2.create_vpc, CidrBlock="10.9.0.0/16") == "VpcLimitExceeded"
    assert code_of(ec2.create_internet_gateway) == "InternetGatewayLimitExceeded"
    ranges = [{"CidrIp": "10.0.0.0/8"}, {"CidrIp": "11.0.0.0/8"}]
    rule = {"IpProtocol": "-1", "IpRanges": ranges}
    code = code_of(
        ec2.authorize_security_group_ingress, GroupId=network.group, IpPermissions=[rule]
    )
    assert code == "RulesPerSecurityGroupLimitExceeded"


def test_h23_a_full_subnet_says_so(cloud: Cloud, network: Network) -> None:
    small = cloud.ec2.create_subnet(
        VpcId=network.vpc, CidrBlock="10.7.9.0/28", AvailabilityZone=ZONE
    )["Subnet"]["SubnetId"]
    params = {"SubnetId": small, "MinCount": 11, "MaxCount": 11}
    launch(cloud, network, **params)
    code = code_of(lambda: launch(cloud, network, SubnetId=small))
    assert code == "InsufficientFreeAddressesInSubnet"
    code = code_of(cloud.ec2.create_network_interface, SubnetId=small)
    assert code == "InsufficientFreeAddressesInSubnet"


def test_h23_a_quota_can_shrink_under_way(cloud: Cloud, network: Network) -> None:
    cloud.emulator.faults.add(Fault(Kind.QUOTA, type="L-1216C47A", value=0))
    assert code_of(lambda: launch(cloud, network)) == "VcpuLimitExceeded"
    quotas = cloud.client("service-quotas")
    found = quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-1216C47A")
    assert found["Quota"]["Value"] == 0
    found = quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-34B43A08")
    assert found["Quota"]["Value"] == QUOTAS["L-34B43A08"]


def test_h24_a_drought_is_of_one_type_zone_and_market(cloud: Cloud, network: Network) -> None:
    cloud.emulator.faults.add(Fault(Kind.CAPACITY, type="t3.*", zone=ZONE, market="spot"))
    found = refusal(lambda: launch(cloud, network, InstanceMarketOptions=SPOT))
    assert found == ("InsufficientInstanceCapacity", 500)
    launch(cloud, network)
    launch(cloud, network, InstanceType="m5.large", InstanceMarketOptions=SPOT)
    other = cloud.ec2.create_subnet(
        VpcId=network.vpc, CidrBlock="10.7.2.0/24", AvailabilityZone="eu-central-1b"
    )["Subnet"]["SubnetId"]
    launch(cloud, network, SubnetId=other, InstanceMarketOptions=SPOT)


def test_h24_a_type_that_the_zone_does_not_offer_is_unsupported(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2", "us-east-1")
    offers = ec2.get_paginator("describe_instance_type_offerings").paginate(
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": ["m7i.large"]}],
    )
    zones = {offer["Location"] for page in offers for offer in page["InstanceTypeOfferings"]}
    everywhere = {
        zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]
    }
    lacking = sorted(everywhere - zones)
    assert lacking
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24", AvailabilityZone=lacking[0])
    image = cloud.client("ssm", "us-east-1").get_parameter(
        Name="/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
    )["Parameter"]["Value"]
    code = code_of(
        ec2.run_instances,
        ImageId=image,
        InstanceType="m7i.large",
        MinCount=1,
        MaxCount=1,
        SubnetId=subnet["Subnet"]["SubnetId"],
    )
    assert code == "Unsupported"
