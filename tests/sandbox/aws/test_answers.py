"""Answered by the sandbox itself, and what is refused: H30-H32, H35, H37, H38, H40, H42."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.sandbox.aws.conftest import (
    ACCOUNT,
    UBUNTU,
    ZONE,
    Cloud,
    Network,
    code_of,
    launch,
    refusal,
    running,
)

from holdfast_sandbox.aws.faults import Fault, Kind

SPOT = {"MarketType": "spot"}
FLEET = {
    "LaunchTemplateConfigs": [],
    "TargetCapacitySpecification": {"TotalTargetCapacity": 1},
}


def test_h30_old_spot_interfaces_are_refused(cloud: Cloud) -> None:
    ec2 = cloud.ec2
    assert refusal(ec2.request_spot_instances, InstanceCount=1) == ("InvalidAction", 400)
    config = {"IamFleetRole": "arn:aws:iam::1:role/x", "TargetCapacity": 1}
    code = code_of(ec2.request_spot_fleet, SpotFleetRequestConfig=config)
    assert code == "InvalidAction"


def test_h31_fleets_are_refused(cloud: Cloud) -> None:
    assert refusal(cloud.ec2.create_fleet, **FLEET) == ("InvalidAction", 400)


def test_h32_launch_templates_are_refused(cloud: Cloud, network: Network) -> None:
    create = cloud.ec2.create_launch_template
    data = {"InstanceType": "t3.medium"}
    code = code_of(create, LaunchTemplateName="x", LaunchTemplateData=data)
    assert code == "InvalidAction"
    template = {"LaunchTemplate": {"LaunchTemplateName": "x"}}
    assert code_of(lambda: launch(cloud, network, **template)) == "UnsupportedOperation"


def test_h35_route53_is_refused(cloud: Cloud) -> None:
    zones = cloud.client("route53", "us-east-1")
    assert code_of(zones.list_hosted_zones) == "UnknownOperationException"


def test_h37_rights_can_be_simulated(cloud: Cloud) -> None:
    statement = {"Effect": "Allow", "Action": ["iam:Simulate*", "ec2:Describe*"], "Resource": "*"}
    cloud.emulator.restrict(ACCOUNT, {"Version": "2012-10-17", "Statement": [statement]})
    arn = cloud.client("sts").get_caller_identity()["Arn"]
    found = cloud.client("iam", "us-east-1").simulate_principal_policy(
        PolicySourceArn=arn, ActionNames=["ec2:DescribeVpcs", "ec2:RunInstances"]
    )["EvaluationResults"]
    assert [(one["EvalActionName"], one["EvalDecision"]) for one in found] == [
        ("ec2:DescribeVpcs", "allowed"),
        ("ec2:RunInstances", "implicitDeny"),
    ]


def test_h37_quotas_are_listed(cloud: Cloud) -> None:
    quotas = cloud.client("service-quotas")
    found = quotas.list_service_quotas(ServiceCode="ec2")["Quotas"]
    codes = {quota["QuotaCode"]: quota["Value"] for quota in found}
    assert codes["L-1216C47A"] > 0
    assert codes["L-0263D0A3"] == 5
    vpc = quotas.get_service_quota(ServiceCode="vpc", QuotaCode="L-F678F1CE")["Quota"]
    assert vpc["QuotaName"] == "VPCs per Region"
    code = code_of(quotas.get_service_quota, ServiceCode="ec2", QuotaCode="L-00000000")
    assert code == "NoSuchResourceException"


def test_account_attributes_agree_with_the_quotas(cloud: Cloud) -> None:
    found = cloud.ec2.describe_account_attributes()["AccountAttributes"]
    values = {a["AttributeName"]: a["AttributeValues"][0]["AttributeValue"] for a in found}
    assert values["vpc-max-elastic-ips"] == "5"
    assert values["default-vpc"].startswith("vpc-")


def products(cloud: Cloud, **fields: str) -> list[Any]:
    filters = [{"Type": "TERM_MATCH", "Field": k, "Value": v} for k, v in fields.items()]
    pages = (
        cloud.client("pricing", "us-east-1")
        .get_paginator("get_products")
        .paginate(ServiceCode="AmazonEC2", Filters=filters)
    )
    return [json.loads(text) for page in pages for text in page["PriceList"]]


def test_h37_prices_have_the_shape_of_the_price_list(cloud: Cloud) -> None:
    found = products(
        cloud,
        regionCode="eu-central-1",
        instanceType="m6i.large",
        operatingSystem="Linux",
        tenancy="Shared",
        preInstalledSw="NA",
        capacitystatus="Used",
    )
    assert len(found) == 1
    attributes = found[0]["product"]["attributes"]
    assert (attributes["vcpu"], attributes["memory"]) == ("2", "8 GiB")
    term = next(iter(found[0]["terms"]["OnDemand"].values()))
    price = next(iter(term["priceDimensions"].values()))
    assert price["unit"] == "Hrs"
    assert 0.05 < float(price["pricePerUnit"]["USD"]) < 0.5
    assert "invented" in price["description"]


def test_h37_all_prices_of_a_region_come_in_pages(cloud: Cloud) -> None:
    wanted = {"regionCode": "eu-central-1", "operatingSystem": "Linux", "tenancy": "Shared"}
    found = products(cloud, **wanted)
    names = {product["product"]["attributes"]["instanceType"] for product in found}
    offered = cloud.ec2.get_paginator("describe_instance_types").paginate()
    assert names == {t["InstanceType"] for page in offered for t in page["InstanceTypes"]}
    assert len(found) > 100


def test_h37_prices_are_served_in_three_regions_only(cloud: Cloud) -> None:
    pricing = cloud.client("pricing", "eu-west-1")
    assert code_of(pricing.get_products, ServiceCode="AmazonEC2") == "OptInRequired"


def test_h37_the_trail_tells_who_did_it(cloud: Cloud, network: Network) -> None:
    cloud.ec2.delete_security_group(GroupId=network.group)
    found = cloud.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "ResourceName", "AttributeValue": network.group}]
    )["Events"]
    assert [event["EventName"] for event in found] == [
        "DeleteSecurityGroup",
        "CreateSecurityGroup",
    ]
    assert found[0]["Username"] == cloud.keys.user


def test_h37_calls_without_an_answer_are_gaps(cloud: Cloud) -> None:
    assert code_of(cloud.ec2.describe_placement_groups) == "InvalidAction"
    assert code_of(cloud.ec2.get_spot_placement_scores, TargetCapacity=1) == "InvalidAction"


def queue_on(cloud: Cloud, kind: str) -> tuple[Any, str]:
    """A queue that hears of one kind of event."""
    sqs, events = cloud.client("sqs"), cloud.client("events")
    url = sqs.create_queue(QueueName="notices")["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    pattern = json.dumps({"source": ["aws.ec2"], "detail-type": [kind]})
    events.put_rule(Name="r", EventPattern=pattern)
    events.put_targets(Rule="r", Targets=[{"Id": "q", "Arn": found["Attributes"]["QueueArn"]}])
    return sqs, url


def heard(sqs: Any, url: str) -> list[Any]:
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in found]


def test_h38_changes_of_state_are_events(cloud: Cloud, network: Network) -> None:
    sqs, url = queue_on(cloud, "EC2 Instance State-change Notification")
    name = running(cloud, network)
    details = [message["detail"] for message in heard(sqs, url)]
    assert {"instance-id": name, "state": "pending"} in details
    assert {"instance-id": name, "state": "running"} in details


def test_h38_an_interruption_is_an_event(cloud: Cloud, network: Network) -> None:
    sqs, url = queue_on(cloud, "EC2 Spot Instance Interruption Warning")
    name = running(cloud, network, InstanceMarketOptions=SPOT)
    assert heard(sqs, url) == []
    cloud.emulator.notice_spot(name)
    message = heard(sqs, url)[0]
    assert message["source"] == "aws.ec2"
    assert message["detail"] == {"instance-id": name, "instance-action": "terminate"}


@pytest.mark.parametrize(("release", "architecture"), [("22.04", "amd64"), ("24.04", "arm64")])
def test_h40_ubuntu_images_are_found_by_parameter(
    cloud: Cloud, release: str, architecture: str
) -> None:
    name = (
        f"/aws/service/canonical/ubuntu/server/{release}/stable/current/"
        f"{architecture}/hvm/ebs-gp3/ami-id"
    )
    image = cloud.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    shown = cloud.ec2.describe_images(ImageIds=[image])["Images"][0]
    assert release in shown["Name"]
    assert shown["Architecture"] == {"amd64": "x86_64", "arm64": "arm64"}[architecture]
    assert shown["RootDeviceName"] == "/dev/sda1"


def test_h40_an_unknown_parameter_is_not_found(cloud: Cloud) -> None:
    code = code_of(cloud.client("ssm").get_parameter, Name="/aws/service/none")
    assert code == "ParameterNotFound"


def test_h40_an_image_can_be_named_by_its_parameter(cloud: Cloud, network: Network) -> None:
    name = launch(cloud, network, ImageId=f"resolve:ssm:{UBUNTU}")[0]
    assert name["ImageId"] == cloud.image()


def test_h40_an_image_can_vanish(cloud: Cloud, network: Network) -> None:
    image = cloud.image()
    cloud.emulator.faults.add(Fault(Kind.IMAGE_GONE, subject=image))
    assert code_of(cloud.ec2.describe_images, ImageIds=[image]) == "InvalidAMIID.NotFound"
    assert code_of(lambda: launch(cloud, network, ImageId=image)) == "InvalidAMIID.NotFound"


def test_h42_spot_prices_differ_by_zone_and_move(cloud: Cloud) -> None:
    def history(**more: Any) -> list[Any]:
        found = cloud.ec2.describe_spot_price_history(
            InstanceTypes=["m6i.large"], ProductDescriptions=["Linux/UNIX"], **more
        )
        return list(found["SpotPriceHistory"])

    now = history(StartTime=datetime.now(UTC))
    prices = {point["AvailabilityZone"]: float(point["SpotPrice"]) for point in now}
    assert len(prices) == 3
    assert len(set(prices.values())) == 3
    assert all(0.01 < price < 0.06 for price in prices.values())
    older = history(AvailabilityZone=ZONE, StartTime=datetime.now(UTC) - timedelta(days=1))
    assert len({point["SpotPrice"] for point in older}) > 1
    assert history(StartTime=datetime.now(UTC)) == now
    windows = cloud.ec2.describe_spot_price_history(
        InstanceTypes=["m6i.large"], ProductDescriptions=["Windows"]
    )
    assert windows["SpotPriceHistory"] == []


def test_types_say_what_a_machine_has(cloud: Cloud) -> None:
    shown = cloud.ec2.describe_instance_types(InstanceTypes=["m6i.4xlarge"])["InstanceTypes"][0]
    assert shown["VCpuInfo"]["DefaultVCpus"] == 16
    assert shown["MemoryInfo"]["SizeInMiB"] == 65536
    code = code_of(cloud.ec2.describe_instance_types, InstanceTypes=["t9.huge"])
    assert code == "InvalidInstanceType"


def test_the_second_listing_of_all_types_is_kept(cloud: Cloud) -> None:
    def all_types() -> list[str]:
        pages = cloud.ec2.get_paginator("describe_instance_types").paginate()
        return [one["InstanceType"] for page in pages for one in page["InstanceTypes"]]

    first = all_types()
    assert len(first) == len(set(first)) > 200
    assert all_types() == first


def test_offerings_by_zone(a_cloud: Callable[..., Cloud]) -> None:
    cloud = a_cloud()
    found = cloud.ec2.describe_instance_type_offerings(
        LocationType="availability-zone",
        Filters=[
            {"Name": "location", "Values": [ZONE]},
            {"Name": "instance-type", "Values": ["t3.*"]},
        ],
    )["InstanceTypeOfferings"]
    assert {offer["Location"] for offer in found} == {ZONE}
    assert "t3.medium" in {offer["InstanceType"] for offer in found}
