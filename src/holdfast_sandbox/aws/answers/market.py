"""The Price List service: GetProducts in AWS's own shape, with the sandbox's invented prices."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from holdfast_sandbox.aws import catalogue, prices
from holdfast_sandbox.aws.call import Call
from holdfast_sandbox.aws.errors import AwsError
from holdfast_sandbox.aws.identities import Identity
from holdfast_sandbox.aws.world import World

SERVED = ("us-east-1", "eu-central-1", "ap-south-1")
PAGE = 100
LOCATIONS = {
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-west-2": "US West (Oregon)",
    "eu-west-1": "EU (Ireland)",
    "eu-central-1": "EU (Frankfurt)",
    "ap-south-1": "Asia Pacific (Mumbai)",
}
DEAR = {  # operating system -> factor on the price of Linux
    "Linux": 1.0,
    "RHEL": 1.3,
    "Windows": 1.9,
}
KINDS = {"Compute Instance", "Storage", "IP Address", "NAT Gateway"}


def _code(*parts: str, size: int = 16) -> str:
    digest = hashlib.sha256("/".join(parts).encode()).digest()
    return base64.b32encode(digest).decode()[:size]


def _product(kind: str, attributes: Mapping[str, str], usd: float, unit: str) -> dict[str, Any]:
    sku = _code(kind, *attributes.values())
    term, rate = "JRTCKXETXF", "6YS6EN2CT7"
    dimension = {
        "unit": unit,
        "endRange": "Inf",
        "description": f"${usd:.10f} per {unit} ({prices.NOTICE})",
        "appliesTo": [],
        "rateCode": f"{sku}.{term}.{rate}",
        "beginRange": "0",
        "pricePerUnit": {"USD": f"{usd:.10f}"},
    }
    offer = {
        "priceDimensions": {f"{sku}.{term}.{rate}": dimension},
        "sku": sku,
        "effectiveDate": "2026-01-01T00:00:00Z",
        "offerTermCode": term,
        "termAttributes": {},
    }
    return {
        "product": {"productFamily": kind, "attributes": dict(attributes), "sku": sku},
        "serviceCode": attributes["servicecode"],
        "terms": {"OnDemand": {f"{sku}.{term}": offer}},
        "version": "20260101000000",
        "publicationDate": "2026-01-01T00:00:00Z",
    }


def _place(region: str) -> dict[str, str]:
    return {
        "servicecode": "AmazonEC2",
        "location": LOCATIONS[region],
        "locationType": "AWS Region",
        "regionCode": region,
    }


def _machines(region: str) -> Iterator[dict[str, Any]]:
    for name in catalogue.offered(region):
        size = catalogue.types()[name]
        for system, factor in DEAR.items():
            if system != "Linux" and size.architecture == "arm64":
                continue
            usage = f"{region}-BoxUsage:{name}"
            attributes = {
                **_place(region),
                "instanceType": name,
                "instanceFamily": "General purpose",
                "vcpu": str(size.cpus),
                "memory": f"{size.memory_mib / 1024:g} GiB",
                "operatingSystem": system,
                "tenancy": "Shared",
                "capacitystatus": "Used",
                "preInstalledSw": "NA",
                "licenseModel": "No License required",
                "marketoption": "OnDemand",
                "currentGeneration": "Yes",
                "operation": "RunInstances" if system == "Linux" else f"RunInstances:{system}",
                "usagetype": usage,
            }
            usd = prices.on_demand(name, region) * factor
            yield _product("Compute Instance", attributes, usd, "Hrs")


def _others(region: str) -> Iterator[dict[str, Any]]:
    place = _place(region)
    storage = {**place, "volumeApiName": "gp3", "usagetype": f"{region}-EBS:VolumeUsage.gp3"}
    yield _product("Storage", storage, prices.GP3, "GB-Mo")
    gateway = {**place, "usagetype": f"{region}-NatGateway-Hours", "operation": "NatGateway"}
    yield _product("NAT Gateway", gateway, prices.NAT, "Hrs")


def _addresses(region: str) -> Iterator[dict[str, Any]]:
    address = {
        **_place(region),
        "servicecode": "AmazonVPC",
        "group": "VPCPublicIPv4Address",
        "usagetype": f"{region}-PublicIPv4:InUseAddress",
    }
    yield _product("IP Address", address, prices.ADDRESS, "Hrs")


@lru_cache(maxsize=64)
def _products(service: str, region: str) -> tuple[dict[str, Any], ...]:
    if service == "AmazonEC2":
        return (*_machines(region), *_others(region))
    return tuple(_addresses(region))


def get_products(call: Call, _: Identity, world: World) -> dict[str, Any]:
    """GetProducts: exact filters, pages of at most 100."""
    if call.region not in SERVED:
        text = f"The Price List service is not offered in {call.region}."
        raise AwsError("OptInRequired", text, 403)
    service = str(call.params.get("ServiceCode", ""))
    if service not in ("AmazonEC2", "AmazonVPC"):
        raise AwsError("InvalidParameterException", f"Unknown service code {service}")
    size = int(call.params.get("MaxResults") or PAGE)
    if not 1 <= size <= PAGE:
        raise AwsError("InvalidParameterException", "MaxResults must be between 1 and 100")
    found = _chosen(service, call.params.get("Filters") or [])
    first = _offset(str(call.params.get("NextToken") or ""))
    size = min(size, world.settings.page or size)
    page: dict[str, Any] = {
        "FormatVersion": "aws_v1",
        "PriceList": [json.dumps(product) for product in found[first : first + size]],
    }
    if len(found) > first + size:
        page["NextToken"] = base64.b64encode(f"offset:{first + size}".encode()).decode()
    return page


def _offset(token: str) -> int:
    try:
        text = base64.b64decode(token, validate=True).decode()
        return int(text.removeprefix("offset:")) if text else 0
    except ValueError as error:
        raise AwsError("InvalidNextTokenException", "The token is invalid.") from error


def _chosen(service: str, filters: list[Mapping[str, str]]) -> list[dict[str, Any]]:
    for item in filters:
        if item.get("Type", "TERM_MATCH") != "TERM_MATCH":
            raise AwsError("InvalidParameterException", "Only TERM_MATCH filters are offered")
    wanted = {str(item["Field"]): str(item["Value"]) for item in filters}
    regions = [
        region
        for region in LOCATIONS
        if wanted.get("regionCode", region) == region
        and wanted.get("location", LOCATIONS[region]) == LOCATIONS[region]
    ]
    return [
        product
        for region in regions
        for product in _products(service, region)
        if all(_field(product, name) == value for name, value in wanted.items())
    ]


def _field(product: Mapping[str, Any], name: str) -> str | None:
    if name == "productFamily":
        return str(product["product"]["productFamily"])
    found = product["product"]["attributes"].get(name)
    return None if found is None else str(found)


ANSWERS: Mapping[str, Callable[[Call, Identity, World], dict[str, Any]]] = {
    "pricing:GetProducts": get_products,
}
