"""AWS's price list, asked for one region: machines on demand, addresses, disks."""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from holdfast.providers import errors
from holdfast.providers.aws.client import Call, Client

WHAT = "read the price list"
HOURS_OF_MONTH = 730  # AWS's own month for prices per GB-month
_ENDPOINTS = (("eu-", "eu-central-1"), ("ap-", "ap-south-1"), ("cn-", "cn-northwest-1"))


def endpoint(region: str) -> str:
    """The price list answers in three regions of the world (one in China): the nearest."""
    return next((home for start, home in _ENDPOINTS if region.startswith(start)), "us-east-1")


async def on_demand(client: Client, region: str) -> dict[str, Decimal]:
    """Type -> USD per hour with Linux, shared, nothing installed."""
    filters = {
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
        "operation": "RunInstances",
        "marketoption": "OnDemand",
    }
    result = {}
    for product in await _products(client, region, "AmazonEC2", filters):
        name = product["product"]["attributes"].get("instanceType")
        price = _usd(product)
        if name and price is not None:
            result[name] = price
    return result


async def address(client: Client, region: str) -> Decimal:
    """USD per hour of a public IPv4 address in use. Raises NotFound if the list has none."""
    filters = {"group": "VPCPublicIPv4Address"}
    found = await _products(client, region, "AmazonVPC", filters)
    in_use = [one for one in found if "InUse" in one["product"]["attributes"]["usagetype"]]
    return _one(in_use, f"public address in {region}")


async def disk(client: Client, region: str) -> Decimal:
    """USD per hour of one GiB of gp3. Raises NotFound if the list has none."""
    found = await _products(client, region, "AmazonEC2", {"volumeApiName": "gp3"})
    storage = [one for one in found if one["product"].get("productFamily") == "Storage"]
    return _one(storage, f"gp3 disk in {region}") / HOURS_OF_MONTH


async def _products(
    client: Client, region: str, service: str, filters: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Products of one region; each comes as a text of JSON."""
    wanted = {"regionCode": region, **filters}
    params = {
        "ServiceCode": service,
        "FormatVersion": "aws_v1",
        "MaxResults": 100,
        "Filters": [
            {"Type": "TERM_MATCH", "Field": field, "Value": value}
            for field, value in wanted.items()
        ],
    }
    call = Call("pricing", "GetProducts", endpoint(region), WHAT, params)
    pages = client.pages(call)
    return [json.loads(text) async for page in pages for text in page["PriceList"]]


def _usd(product: Mapping[str, Any]) -> Decimal | None:
    """The on-demand price of a product that does not start at nothing."""
    prices = [
        Decimal(dimension["pricePerUnit"]["USD"])
        for offer in product["terms"].get("OnDemand", {}).values()
        for dimension in offer["priceDimensions"].values()
        if "USD" in dimension["pricePerUnit"]
    ]
    return max(prices, default=None)


def _one(products: Iterable[Mapping[str, Any]], subject: str) -> Decimal:
    prices = [price for one in products if (price := _usd(one))]
    if not prices:
        raise errors.NotFound(WHAT, "", f"no price for a {subject}")
    return max(prices)
