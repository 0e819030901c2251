"""Service Quotas: what the account may have, as the checks of this sandbox apply it."""

from collections.abc import Callable, Mapping
from typing import Any

from holdfast_sandbox.aws.call import Call
from holdfast_sandbox.aws.ec2 import quotas
from holdfast_sandbox.aws.errors import AwsError
from holdfast_sandbox.aws.identities import Identity
from holdfast_sandbox.aws.world import World

NAMES = {
    "ec2": "Amazon Elastic Compute Cloud (Amazon EC2)",
    "vpc": "Amazon Virtual Private Cloud (Amazon VPC)",
}


def _quota(call: Call, world: World, quota: quotas.Quota) -> dict[str, Any]:
    place = f"arn:aws:servicequotas:{call.region}:{call.account}"
    return {
        "ServiceCode": quota.service,
        "ServiceName": NAMES[quota.service],
        "QuotaArn": f"{place}:{quota.service}/{quota.code}",
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "Value": quotas.value(world, quota.code, call.account, call.region),
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }


def get_quota(call: Call, _: Identity, world: World) -> dict[str, Any]:
    """GetServiceQuota and GetAWSDefaultServiceQuota."""
    quota = quotas.QUOTAS.get(str(call.params["QuotaCode"]))
    if quota is None or quota.service != call.params["ServiceCode"]:
        raise AwsError("NoSuchResourceException", "The request failed because the quota is unknown")
    return {"Quota": _quota(call, world, quota)}


def list_quotas(call: Call, _: Identity, world: World) -> dict[str, Any]:
    """ListServiceQuotas, in one page."""
    service = call.params["ServiceCode"]
    if service not in NAMES:
        raise AwsError("NoSuchResourceException", f"The service {service} is unknown")
    found = [quota for quota in quotas.QUOTAS.values() if quota.service == service]
    return {"Quotas": [_quota(call, world, quota) for quota in found]}


ANSWERS: Mapping[str, Callable[[Call, Identity, World], dict[str, Any]]] = {
    "servicequotas:GetServiceQuota": get_quota,
    "servicequotas:GetAWSDefaultServiceQuota": get_quota,
    "servicequotas:ListServiceQuotas": list_quotas,
    "servicequotas:ListAWSDefaultServiceQuotas": list_quotas,
}
