"""The credential doctor: who is the key, which regions may it use, which rights does it lack."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from holdfast.model.account import Account
from holdfast.providers import errors
from holdfast.providers.aws.client import Call, Client, home
from holdfast.providers.aws.permissions import PERMISSIONS, On, circumstances, example

# Calls that AWS can try without effect and without knowing a thing's id.
DRY_RUNS: Mapping[str, Mapping[str, Any]] = {
    "ec2:DescribeVpcs": {},
    "ec2:DescribeSubnets": {},
    "ec2:DescribeInternetGateways": {},
    "ec2:DescribeRouteTables": {},
    "ec2:DescribeSecurityGroups": {},
    "ec2:DescribeSecurityGroupRules": {},
    "ec2:DescribeAddresses": {},
    "ec2:DescribeInstances": {},
    "ec2:DescribeNetworkInterfaces": {},
    "ec2:DescribeInstanceTypes": {},
    "ec2:DescribeInstanceTypeOfferings": {},
    "ec2:DescribeSpotPriceHistory": {},
    "ec2:DescribeImages": {"Owners": ["self"]},
    "ec2:CreateVpc": {"CidrBlock": "10.10.0.0/16"},
    "ec2:CreateInternetGateway": {},
    "ec2:AllocateAddress": {"Domain": "vpc"},
}


async def check(client: Client, region: str) -> Account:
    """The account behind the key. Changes nothing.

    `missing` stays empty where the region is not one of the account's `regions`: nothing can be
    tried there. Raises CredentialsRejected for a key that is wrong, expired or revoked.
    """
    what = "check the credentials"
    told = await client.call(Call("sts", "GetCallerIdentity", home(region), what))
    account, principal = str(told["Account"]), str(told["Arn"])
    regions = await _regions(client, region)
    missing: Iterable[str] = ()
    if regions is None:
        regions, missing = (region,), ["ec2:DescribeRegions"]
    if region in regions:
        missing = [*missing, *await _missing(client, account, principal, region)]
    return Account(account, principal, regions, tuple(sorted(set(missing))))


async def _regions(client: Client, region: str) -> tuple[str, ...] | None:
    """The enabled regions; None where the key may not ask."""
    try:
        call = Call("ec2", "DescribeRegions", home(region), "list regions")
        found = (await client.call(call))["Regions"]
    except errors.CredentialsRejected as refusal:
        if not refusal.permission:
            raise
        return None
    return tuple(sorted(one["RegionName"] for one in found))


async def _missing(client: Client, account: str, principal: str, region: str) -> set[str]:
    if principal.endswith(":root"):
        return set()  # AWS does not simulate the account's own user; it may do everything
    try:
        found = await asyncio.gather(
            *(_simulated(client, account, principal, region, on) for on in On)
        )
        return set().union(*found)
    except errors.CredentialsRejected as refusal:
        if not refusal.permission:
            raise
        return {"iam:SimulatePrincipalPolicy", *await _tried(client, region)}


async def _simulated(client: Client, account: str, principal: str, region: str, on: On) -> set[str]:
    """The rights of one statement that AWS says the principal does not have."""
    params: dict[str, Any] = {
        "PolicySourceArn": source(principal),
        "ActionNames": sorted({one.action for one in PERMISSIONS if one.on is on}),
        "ResourceArns": [example(on, account, region)],
        "ContextEntries": circumstances(region),
    }
    what = "simulate the rights of the credentials"
    call = Call("iam", "SimulatePrincipalPolicy", home(region), what, params)
    refused = set()
    while True:
        page = await client.call(call)
        refused |= {
            one["EvalActionName"]
            for one in page["EvaluationResults"]
            if one["EvalDecision"] != "allowed"
        }
        if not page.get("IsTruncated"):
            return refused
        params["Marker"] = page["Marker"]


def source(principal: str) -> str:
    """The ARN whose policies count: the role's own for a session of an assumed role."""
    if ":assumed-role/" not in principal:
        return principal
    account, role = principal.split(":")[4], principal.split("/")[1]
    return f"arn:aws:iam::{account}:role/{role}"


async def _tried(client: Client, region: str) -> set[str]:
    """The rights that a dry run shows to be missing. A call that fails otherwise proves nothing."""
    tried = await asyncio.gather(*(_is_refused(client, region, one) for one in DRY_RUNS))
    return {permission for permission, refused in zip(DRY_RUNS, tried, strict=True) if refused}


async def _is_refused(client: Client, region: str, permission: str) -> bool:
    params = {"DryRun": True, **DRY_RUNS[permission]}
    action = permission.partition(":")[2]
    try:
        await client.call(Call("ec2", action, region, f"try {permission}", params))
    except errors.CredentialsRejected:
        return True
    except errors.ProviderError:
        return False
    return False
