"""Tags: fast to read, refused where AWS refuses them (rows H47, H51)."""

from collections.abc import Iterable, Mapping
from typing import Any

from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, get_prefix

from holdfast_sandbox.aws.ec2.ask import Ask
from holdfast_sandbox.aws.ec2.listing import Listing
from holdfast_sandbox.aws.ec2.shapes import LISTINGS
from holdfast_sandbox.aws.errors import AwsError

KEY, VALUE, MOST = 127, 256, 50
# Prefix of an id -> the listing that knows whether it exists.
HOMES: Mapping[str, str] = {
    "vpc": "DescribeVpcs",
    "subnet": "DescribeSubnets",
    "igw": "DescribeInternetGateways",
    "rtb": "DescribeRouteTables",
    "sg": "DescribeSecurityGroups",
    "sgr": "DescribeSecurityGroupRules",
    "eipalloc": "DescribeAddresses",
    "eni": "DescribeNetworkInterfaces",
    "nat": "DescribeNatGateways",
    "vol": "DescribeVolumes",
}


def quick_tags(self: Any) -> list[dict[str, str]]:
    """moto's `get_tags` without its scan over the tags of everything."""
    kind = EC2_PREFIX_TO_RESOURCE.get(get_prefix(self.id), "") if self.id else ""
    return [
        {"resource_id": self.id, "key": key, "value": value, "resource_type": kind}
        for key, value in self.ec2_backend.tags.get(self.id, {}).items()
    ]


def install() -> None:
    """Put `quick_tags` in moto's place."""
    TaggedEC2Resource.get_tags = quick_tags  # type: ignore[method-assign]


def of_kind(params: Mapping[str, Any], kind: str) -> dict[str, str]:
    """The tags that a create call gives to things of `kind`."""
    return {
        str(tag["Key"]): str(tag.get("Value", ""))
        for specification in params.get("TagSpecifications") or []
        if specification.get("ResourceType") == kind
        for tag in specification.get("Tags") or []
    }


def check_tags(tags: Iterable[Mapping[str, Any]], held: Mapping[str, str]) -> None:
    """The rules for keys, values and number. Raises AwsError."""
    keys = [str(tag.get("Key", "")) for tag in tags]
    for tag in tags:
        key, text = str(tag.get("Key", "")), str(tag.get("Value", ""))
        if not key or len(key) > KEY:
            raise AwsError(
                "InvalidParameterValue", f"Tag key '{key[:20]}' must have 1 to {KEY} characters"
            )
        if key.lower().startswith("aws:"):
            raise AwsError(
                "InvalidParameterValue",
                f"Tag keys starting with 'aws:' are reserved for internal use: {key}",
            )
        if len(text) > VALUE:
            raise AwsError(
                "InvalidParameterValue", f"Tag value of '{key}' exceeds {VALUE} characters"
            )
    if len(set(keys)) < len(keys):
        raise AwsError("InvalidParameterValue", "Tag keys must be unique per resource")
    if len(held.keys() | set(keys)) > MOST:
        raise AwsError("TagLimitExceeded", "The maximum number of Tags for a resource is 50")


def check_specifications(ask: Ask) -> None:
    """The tag specifications of a create call."""
    for specification in ask.items("TagSpecifications"):
        if not specification.get("ResourceType"):
            raise AwsError("InvalidParameter", "Tag specification resource type must have a value")
        check_tags(specification.get("Tags") or [], {})


def check_create(ask: Ask) -> None:
    """CreateTags: every thing must exist, every tag be allowed."""
    for name in ask.items("Resources"):
        require(ask, str(name))
        check_tags(ask.items("Tags"), ask.backend.tags.get(str(name), {}))


def require(ask: Ask, name: str) -> None:
    """Refuse an id that is not there, with the code of its kind."""
    prefix = name.partition("-")[0]
    if prefix == "i":
        ask.backend.machine(name)
        return
    known = _elsewhere(ask, prefix)
    if known is not None:
        if name not in known:
            raise AwsError(_code(prefix), f"The ID '{name}' does not exist")
        return
    listing: Listing | None = LISTINGS.get(HOMES.get(prefix, ""))
    if listing is None:
        raise AwsError("InvalidID", f"The ID '{name}' is not valid")
    if all(listing.identity(thing) != name for thing in listing.source(ask.backend)):
        raise AwsError(listing.missing, f"The ID '{name}' does not exist")


def _elsewhere(ask: Ask, prefix: str) -> Iterable[str] | None:
    """Ids of the kinds that have no table of their own; None for other kinds."""
    backend = ask.backend
    if prefix == "sir":
        return [m.spot_instance_request_id or "" for m in backend.machines()]
    if prefix == "key":
        return [pair.id for pair in backend.key_pairs.values()]
    holders: Mapping[str, Mapping[str, Any]] = {
        "ami": backend.amis,
        "snap": backend.snapshots,
        "acl": backend.network_acls,
        "dopt": backend.dhcp_options_sets,
        "vpce": backend.vpc_end_points,
    }
    return holders.get(prefix)


def _code(prefix: str) -> str:
    return {
        "ami": "InvalidAMIID.NotFound",
        "snap": "InvalidSnapshot.NotFound",
        "acl": "InvalidNetworkAclID.NotFound",
        "sir": "InvalidSpotInstanceRequestID.NotFound",
        "key": "InvalidKeyPair.NotFound",
        "dopt": "InvalidDhcpOptionID.NotFound",
    }.get(prefix, "InvalidID")
