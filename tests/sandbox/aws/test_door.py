"""Who may do what, and how often: rows H22, H25, H36 and the credentials' ways to fail."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import pytest
from tests.sandbox.aws.conftest import (
    ACCOUNT,
    UBUNTU,
    Cloud,
    Network,
    code_of,
    launch,
    refusal,
)

from holdfast_sandbox.aws.emulator import Keys
from holdfast_sandbox.aws.faults import Fault, Kind

HEADER = "x-moto-account-id"


def allow(*actions: str, **more: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*", **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


def test_h22_a_dry_run_has_no_effect(cloud: Cloud) -> None:
    found = refusal(cloud.ec2.create_vpc, CidrBlock="10.0.0.0/16", DryRun=True)
    assert found == ("DryRunOperation", 412)
    assert [vpc for vpc in cloud.ec2.describe_vpcs()["Vpcs"] if not vpc["IsDefault"]] == []


def test_h22_a_dry_run_without_the_right_says_so(cloud: Cloud) -> None:
    cloud.emulator.restrict(ACCOUNT, allow("ec2:Describe*"))
    found = refusal(cloud.ec2.create_vpc, CidrBlock="10.0.0.0/16", DryRun=True)
    assert found == ("UnauthorizedOperation", 403)


def test_h25_calls_are_throttled_per_account_region_and_api(
    a_cloud: Callable[..., Cloud],
) -> None:
    cloud = a_cloud(bucket=3, refill=0.001)
    ec2 = cloud.ec2
    for _ in range(3):
        ec2.describe_vpcs()
    assert refusal(ec2.describe_vpcs) == ("RequestLimitExceeded", 503)
    ec2.describe_subnets()
    cloud.client("ec2", "us-east-1").describe_vpcs()
    other = cloud.emulator.add_account("222222222222")
    cloud.client("ec2", keys=other).describe_vpcs()
    cloud.clock.turn(hours=1)
    ec2.describe_vpcs()


def test_h25_machines_have_a_bucket_of_their_own(
    a_cloud: Callable[..., Cloud],
) -> None:
    from tests.sandbox.aws.conftest import make_network  # noqa: PLC0415

    cloud = a_cloud(launch_bucket=2, launch_refill=0.001)
    network = make_network(cloud)
    launch(cloud, network, MinCount=2, MaxCount=2)
    assert refusal(lambda: launch(cloud, network)) == ("RequestLimitExceeded", 503)


def test_h36_an_unknown_key_is_refused(cloud: Cloud) -> None:
    nobody = replace(cloud.keys, access_key="AKIAIOSFODNN7EXAMPLE")
    ec2 = cloud.client("ec2", keys=nobody)
    assert refusal(ec2.describe_vpcs) == ("AuthFailure", 401)
    sts = cloud.client("sts", keys=nobody)
    assert refusal(sts.get_caller_identity) == ("InvalidClientTokenId", 403)


def test_h36_a_wrong_secret_is_refused(cloud: Cloud) -> None:
    wrong = replace(cloud.keys, secret_key="not-the-secret")
    assert refusal(cloud.client("ec2", keys=wrong).describe_vpcs) == ("AuthFailure", 401)
    sts = cloud.client("sts", keys=wrong)
    assert refusal(sts.get_caller_identity) == ("SignatureDoesNotMatch", 403)


def test_h36_an_unsigned_request_is_refused(cloud: Cloud) -> None:
    from botocore import UNSIGNED  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    config = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1})
    ec2 = boto3.client(
        "ec2", region_name="eu-central-1", endpoint_url=cloud.server.url, config=config
    )
    assert code_of(ec2.describe_vpcs) == "MissingAuthenticationToken"


def test_h36_a_denied_action_is_named_and_can_be_decoded(cloud: Cloud) -> None:
    cloud.emulator.restrict(ACCOUNT, allow("sts:*", "ec2:Describe*"))
    with pytest.raises(cloud.ec2.exceptions.ClientError) as caught:
        cloud.ec2.create_vpc(CidrBlock="10.0.0.0/16")
    error: Any = caught.value.response
    assert error["Error"]["Code"] == "UnauthorizedOperation"
    assert "ec2:CreateVpc" in error["Error"]["Message"]
    encoded = error["Error"]["Message"].rpartition(": ")[2]
    decoded = cloud.client("sts").decode_authorization_message(EncodedMessage=encoded)
    assert json.loads(decoded["DecodedMessage"])["context"]["action"] == "ec2:CreateVpc"


def test_h36_tags_at_creation_need_the_right_to_tag(cloud: Cloud) -> None:
    cloud.emulator.restrict(ACCOUNT, allow("ec2:CreateVpc"))
    tags = [{"ResourceType": "vpc", "Tags": [{"Key": "k", "Value": "v"}]}]
    create = cloud.ec2.create_vpc
    create(CidrBlock="10.0.0.0/16")
    code = code_of(create, CidrBlock="10.1.0.0/16", TagSpecifications=tags)
    assert code == "UnauthorizedOperation"
    condition = {"StringEquals": {"ec2:CreateAction": "CreateVpc"}}
    statements = [
        *allow("ec2:CreateVpc")["Statement"],
        *allow("ec2:CreateTags", Condition=condition)["Statement"],
    ]
    cloud.emulator.restrict(ACCOUNT, {"Version": "2012-10-17", "Statement": statements})
    create(CidrBlock="10.1.0.0/16", TagSpecifications=tags)


def test_h36_a_policy_may_protect_foreign_things_by_tag(cloud: Cloud) -> None:
    ec2 = cloud.ec2
    ours = ec2.create_vpc(
        CidrBlock="10.0.0.0/16",
        TagSpecifications=[{"ResourceType": "vpc", "Tags": [{"Key": "owner", "Value": "us"}]}],
    )["Vpc"]["VpcId"]
    theirs = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    condition = {"StringEquals": {"aws:ResourceTag/owner": "us"}}
    cloud.emulator.restrict(ACCOUNT, allow("ec2:DeleteVpc", Condition=condition))
    assert code_of(ec2.delete_vpc, VpcId=theirs) == "UnauthorizedOperation"
    ec2.delete_vpc(VpcId=ours)


def test_h36_passing_a_role_is_a_right_of_its_own(cloud: Cloud, network: Network) -> None:
    iam = cloud.client("iam", "us-east-1")
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}}
    document = {"Version": "2012-10-17", "Statement": [{**trust, "Action": "sts:AssumeRole"}]}
    iam.create_role(RoleName="node", AssumeRolePolicyDocument=json.dumps(document))
    iam.create_instance_profile(InstanceProfileName="node")
    iam.add_role_to_instance_profile(InstanceProfileName="node", RoleName="node")
    cloud.emulator.restrict(ACCOUNT, allow("ec2:*", "ssm:*"))
    params = {"IamInstanceProfile": {"Name": "node"}}
    assert code_of(lambda: launch(cloud, network, **params)) == "UnauthorizedOperation"
    cloud.emulator.restrict(ACCOUNT, allow("ec2:*", "ssm:*", "iam:PassRole"))
    launch(cloud, network, **params)


def role(cloud: Cloud, principal: str, condition: dict[str, Any] | None = None) -> str:
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"AWS": principal},
        "Action": "sts:AssumeRole",
    }
    if condition:
        statement["Condition"] = condition
    document = {"Version": "2012-10-17", "Statement": [statement]}
    iam = cloud.client("iam", "us-east-1")
    if any(held["RoleName"] == "holdfast" for held in iam.list_roles()["Roles"]):
        return str(iam.get_role(RoleName="holdfast")["Role"]["Arn"])
    made = iam.create_role(RoleName="holdfast", AssumeRolePolicyDocument=json.dumps(document))
    rights = json.dumps(allow("ec2:DescribeVpcs"))
    iam.put_role_policy(RoleName="holdfast", PolicyName="p", PolicyDocument=rights)
    return str(made["Role"]["Arn"])


def test_h36_a_role_must_exist_and_trust_its_caller(cloud: Cloud) -> None:
    sts = cloud.client("sts")
    absent = f"arn:aws:iam::{ACCOUNT}:role/none"
    call = {"RoleSessionName": "test"}
    assert refusal(sts.assume_role, RoleArn=absent, **call) == ("AccessDenied", 403)
    arn = role(cloud, "arn:aws:iam::999999999999:root")
    assert refusal(sts.assume_role, RoleArn=arn, **call) == ("AccessDenied", 403)


def test_h36_an_external_id_is_checked(cloud: Cloud) -> None:
    sts = cloud.client("sts")
    condition = {"StringEquals": {"sts:ExternalId": "secret"}}
    arn = role(cloud, f"arn:aws:iam::{ACCOUNT}:root", condition)
    call = {"RoleArn": arn, "RoleSessionName": "test"}
    assert code_of(sts.assume_role, **call) == "AccessDenied"
    assert code_of(sts.assume_role, **call, ExternalId="guess") == "AccessDenied"
    assert sts.assume_role(**call, ExternalId="secret")["Credentials"]["SessionToken"]


def session(cloud: Cloud, service: str) -> Any:
    arn = role(cloud, f"arn:aws:iam::{ACCOUNT}:root")
    given = cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    keys = Keys(ACCOUNT, "s", given["AccessKeyId"], given["SecretAccessKey"])
    return cloud.client(service, keys=keys, aws_session_token=given["SessionToken"])


def test_h36_a_session_has_the_rights_of_its_role_and_ends(cloud: Cloud) -> None:
    ec2 = session(cloud, "ec2")
    assert ":assumed-role/holdfast/" in session(cloud, "sts").get_caller_identity()["Arn"]
    ec2.describe_vpcs()
    assert code_of(ec2.describe_subnets) == "UnauthorizedOperation"
    cloud.clock.turn(hours=2)
    assert code_of(ec2.describe_vpcs) == "RequestExpired"


def test_h36_rights_may_end_at_a_path_or_a_name(cloud: Cloud) -> None:
    ssm, iam = cloud.client("ssm"), cloud.client("iam", "us-east-1")
    images = allow("ssm:GetParameters")
    images["Statement"][0]["Resource"] = "arn:aws:ssm:*::parameter/aws/service/canonical/*"
    roles = allow("iam:CreateRole", "iam:TagRole")
    roles["Statement"][0]["Resource"] = "arn:aws:iam::*:role/holdfast/*"
    statements = [*images["Statement"], *roles["Statement"]]
    cloud.emulator.restrict(ACCOUNT, {"Version": "2012-10-17", "Statement": statements})
    assert ssm.get_parameters(Names=[UBUNTU])["Parameters"]
    assert code_of(ssm.get_parameters, Names=["/mine"]) == "AccessDeniedException"
    trust = allow("sts:AssumeRole")["Statement"][0] | {
        "Principal": {"Service": "ec2.amazonaws.com"}
    }
    del trust["Resource"]
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    params = {"AssumeRolePolicyDocument": document, "RoleName": "node"}
    assert code_of(iam.create_role, **params) == "AccessDenied"
    iam.create_role(**params, Path="/holdfast/", Tags=[{"Key": "k", "Value": "v"}])


def test_a_revoked_key_is_unknown_and_an_expired_one_expired(cloud: Cloud) -> None:
    cloud.emulator.revoke(cloud.keys.access_key)
    assert refusal(cloud.ec2.describe_vpcs) == ("AuthFailure", 401)
    cloud.emulator.restore_key(cloud.keys.access_key)
    cloud.ec2.describe_vpcs()
    cloud.emulator.expire(cloud.keys.access_key)
    assert code_of(cloud.ec2.describe_vpcs) == "RequestExpired"
    assert code_of(cloud.client("sts").get_caller_identity) == "ExpiredToken"


def test_a_key_made_inactive_by_its_owner_is_refused(cloud: Cloud) -> None:
    iam = cloud.client("iam", "us-east-1")
    second = iam.create_access_key(UserName=cloud.keys.user)["AccessKey"]
    keys = Keys(ACCOUNT, cloud.keys.user, second["AccessKeyId"], second["SecretAccessKey"])
    cloud.client("ec2", keys=keys).describe_vpcs()
    iam.update_access_key(UserName=cloud.keys.user, AccessKeyId=keys.access_key, Status="Inactive")
    assert code_of(cloud.client("ec2", keys=keys).describe_vpcs) == "AuthFailure"


def test_a_wrong_clock_looks_like_a_wrong_key_and_the_date_tells(
    a_cloud: Callable[..., Cloud],
) -> None:
    cloud = a_cloud(clock_tolerance=timedelta(minutes=5))
    shown = cloud.ec2.describe_vpcs()["ResponseMetadata"]["HTTPHeaders"]["date"]
    cloud.emulator.faults.add(Fault(Kind.CLOCK, value=900))
    with pytest.raises(cloud.ec2.exceptions.ClientError) as caught:
        cloud.ec2.describe_vpcs()
    error: Any = caught.value.response
    assert error["Error"]["Code"] == "AuthFailure"
    assert error["ResponseMetadata"]["HTTPHeaders"]["date"] != shown
    assert "," not in shown.partition(",")[2]


def test_a_permission_can_be_taken_away(cloud: Cloud) -> None:
    name = cloud.emulator.faults.add(Fault(Kind.DENY, action="ec2:CreateVpc"))
    assert code_of(cloud.ec2.create_vpc, CidrBlock="10.0.0.0/16") == "UnauthorizedOperation"
    cloud.emulator.faults.remove(name)
    cloud.ec2.create_vpc(CidrBlock="10.0.0.0/16")


def test_accounts_do_not_see_each_other(cloud: Cloud, network: Network) -> None:
    other = cloud.emulator.add_account("222222222222")
    ec2 = cloud.client("ec2", keys=other)
    assert cloud.client("sts", keys=other).get_caller_identity()["Account"] == "222222222222"
    assert code_of(ec2.describe_vpcs, VpcIds=[network.vpc]) == "InvalidVpcID.NotFound"


def test_nobody_chooses_an_account_by_header(cloud: Cloud, network: Network) -> None:
    other = cloud.emulator.add_account("222222222222")
    ec2 = cloud.client("ec2", keys=other)
    ec2.meta.events.register(
        "before-send.ec2", lambda request, **_: request.headers.update({HEADER: ACCOUNT})
    )
    assert code_of(ec2.describe_vpcs, VpcIds=[network.vpc]) == "InvalidVpcID.NotFound"
