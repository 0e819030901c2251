"""Small decisions of the AWS driver: whose policies count, where prices and globals answer."""

import pytest

from holdfast.providers import errors
from holdfast.providers.aws.check import source
from holdfast.providers.aws.client import Call, Key, home
from holdfast.providers.aws.prices import endpoint
from holdfast.providers.aws.provider import key_of
from holdfast.providers.aws.quotas import vcpus


def test_a_session_of_a_role_is_judged_by_the_role() -> None:
    session = "arn:aws:sts::123456789012:assumed-role/Holdfast/me"
    assert source(session) == "arn:aws:iam::123456789012:role/Holdfast"
    user = "arn:aws:iam::123456789012:user/holdfast"
    assert source(user) == user


@pytest.mark.parametrize(
    ("region", "price", "globals_"),
    [
        ("eu-central-1", "eu-central-1", "us-east-1"),
        ("eu-west-3", "eu-central-1", "us-east-1"),
        ("ap-northeast-1", "ap-south-1", "us-east-1"),
        ("us-west-2", "us-east-1", "us-east-1"),
        ("sa-east-1", "us-east-1", "us-east-1"),
        ("cn-north-1", "cn-northwest-1", "cn-north-1"),
        ("us-gov-east-1", "us-east-1", "us-gov-west-1"),
    ],
)
def test_each_region_has_its_price_list_and_its_home(
    region: str, price: str, globals_: str
) -> None:
    assert endpoint(region) == price
    assert home(region) == globals_


def test_a_secret_without_a_field_names_it_and_never_shows_the_rest() -> None:
    with pytest.raises(errors.CredentialsRejected, match="secretAccessKey is missing") as refusal:
        key_of({"accessKeyId": "AKIAEXAMPLE"})
    assert "AKIAEXAMPLE" not in str(refusal.value)
    assert "hush" not in repr(Key("AKIAEXAMPLE", "hush"))


def test_calls_are_counted_as_aws_counts_them() -> None:
    def budget(service: str, action: str) -> tuple[int, int]:
        found = Call(service, action, "eu-central-1", "x").budget
        return found.burst, found.per_second

    assert budget("ec2", "DescribeVpcs") == (100, 20)
    assert budget("ec2", "CreateVpc") == (50, 5)
    assert budget("ec2", "RunInstances") == (5, 2)
    assert budget("iam", "GetInstanceProfile") == (20, 5)
    assert Call("service-quotas", "GetServiceQuota", "x", "x").permission == (
        "servicequotas:GetServiceQuota"
    )


def test_vcpus_are_counted_by_market_family_and_state() -> None:
    def machine(kind: str, state: str = "running", **more: str) -> dict[str, object]:
        cpus = {"CoreCount": 2, "ThreadsPerCore": 2}
        return {"InstanceType": kind, "State": {"Name": state}, "CpuOptions": cpus, **more}

    machines = [
        machine("t3.xlarge"),
        machine("m6i.xlarge", "pending"),
        machine("c5.xlarge", "terminated"),
        machine("g5.xlarge"),  # its own quota
        machine("r5.xlarge", InstanceLifecycle="spot"),
    ]
    assert vcpus(machines, spot=False) == 8
    assert vcpus(machines, spot=True) == 4
