"""The account's limits in a region and how much of each is used."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.model.account import Quota
from holdfast.providers import errors
from holdfast.providers.aws import kinds
from holdfast.providers.aws.client import Call, Client
from holdfast.providers.aws.reader import Reader, Thing

STANDARD = frozenset("acdhimrtz")  # first letters of the families that share the vCPU quota
COUNTED = {"pending", "running", "stopping"}  # states that use up vCPUs


@dataclass(frozen=True, slots=True)
class Limit:
    """A quota by AWS's code, and the unit it counts."""

    service: str
    code: str
    unit: str


ON_DEMAND = Limit("ec2", "L-1216C47A", "vCPU")
SPOT = Limit("ec2", "L-34B43A08", "vCPU")
ADDRESSES = Limit("ec2", "L-0263D0A3", "addresses")
NETWORKS = Limit("vpc", "L-F678F1CE", "networks")
GATEWAYS = Limit("vpc", "L-A4707A72", "gateways")
LIMITS = (ON_DEMAND, SPOT, ADDRESSES, NETWORKS, GATEWAYS)


async def quotas(client: Client, region: str) -> tuple[Quota, ...]:
    """The limits that a cluster can run into, with what the whole account uses of them."""
    reader = Reader(client, region)
    found, (machines, addresses, networks, gateways) = await asyncio.gather(
        asyncio.gather(*(_quota(client, region, limit) for limit in LIMITS)),
        asyncio.gather(
            reader.matching(kinds.INSTANCE, []),
            reader.matching(kinds.ADDRESS, []),
            reader.matching(kinds.NETWORK, []),
            reader.matching(kinds.GATEWAY, []),
        ),
    )
    used = {
        ON_DEMAND: vcpus(machines, spot=False),
        SPOT: vcpus(machines, spot=True),
        ADDRESSES: len(addresses),
        NETWORKS: len(networks),
        GATEWAYS: len(gateways),
    }
    return tuple(
        Quota(limit.code, told["QuotaName"], limit.unit, float(told["Value"]), float(used[limit]))
        for limit, told in zip(LIMITS, found, strict=True)
        if told is not None
    )


async def _quota(client: Client, region: str, limit: Limit) -> dict[str, Any] | None:
    """One quota; None where AWS has none of that code in the region."""
    params = {"ServiceCode": limit.service, "QuotaCode": limit.code}
    call = Call("service-quotas", "GetServiceQuota", region, f"read quota {limit.code}", params)
    try:
        found: dict[str, Any] = (await client.call(call))["Quota"]
    except errors.NotFound:
        return None
    return found


def vcpus(machines: Sequence[Thing], *, spot: bool) -> int:
    """vCPUs that running machines of standard families use, spot or on demand."""
    return sum(
        one["CpuOptions"]["CoreCount"] * one["CpuOptions"]["ThreadsPerCore"]
        for one in machines
        if one["InstanceType"][0] in STANDARD
        and one["State"]["Name"] in COUNTED
        and (one.get("InstanceLifecycle") == "spot") == spot
        and "CpuOptions" in one
    )
