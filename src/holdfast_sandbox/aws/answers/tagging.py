"""Tags and pages of the load-balancing service, which does both in its own way."""

import base64
from collections.abc import Callable, Mapping
from typing import Any

from holdfast_sandbox.aws.call import Call
from holdfast_sandbox.aws.errors import AwsError
from holdfast_sandbox.aws.identities import Identity
from holdfast_sandbox.aws.world import World

PAGE = 400
MOST = 50


def asked(call: Call) -> dict[str, str]:
    """The tags of a create or add call, checked."""
    found = {str(t["Key"]): str(t.get("Value", "")) for t in call.params.get("Tags") or []}
    if any(key.lower().startswith("aws:") for key in found):
        raise AwsError("ValidationError", "Tag keys starting with 'aws:' are reserved")
    if len(found) > MOST:
        raise AwsError("TooManyTags", f"A resource has at most {MOST} tags")
    return found


def _tags(world: World, arn: str) -> dict[str, str]:
    balancing = world.state.balancing
    for held in (balancing.balancers, balancing.groups, balancing.listeners):
        if arn in held:
            found: dict[str, str] = held[arn].tags
            return found
    raise AwsError("LoadBalancerNotFound", f"'{arn}' not found")


def add(call: Call, _: Identity, world: World) -> dict[str, Any]:
    """AddTags."""
    for arn in call.params["ResourceArns"]:
        _tags(world, str(arn)).update(asked(call))
    return {}


def remove(call: Call, _: Identity, world: World) -> dict[str, Any]:
    """RemoveTags."""
    for arn in call.params["ResourceArns"]:
        for key in call.params["TagKeys"]:
            _tags(world, str(arn)).pop(str(key), None)
    return {}


def describe(call: Call, _: Identity, world: World) -> dict[str, Any]:
    """DescribeTags."""
    shown = []
    for arn in call.params["ResourceArns"]:
        tags = [{"Key": key, "Value": value} for key, value in _tags(world, str(arn)).items()]
        shown.append({"ResourceArn": arn, "Tags": tags})
    return {"TagDescriptions": shown}


def paged(call: Call, world: World, name: str, things: list[dict[str, Any]]) -> dict[str, Any]:
    """One page of a listing, by the service's own Marker."""
    size = min(int(call.params.get("PageSize") or PAGE), world.settings.page or PAGE)
    marker = str(call.params.get("Marker") or "")
    try:
        first = int(base64.b64decode(marker).decode()) if marker else 0
    except ValueError as error:
        raise AwsError("ValidationError", f"Marker '{marker}' is not valid") from error
    page: dict[str, Any] = {name: things[first : first + size]}
    if len(things) > first + size:
        page["NextMarker"] = base64.b64encode(str(first + size).encode()).decode()
    return page


ANSWERS: Mapping[str, Callable[[Call, Identity, World], dict[str, Any]]] = {
    "elasticloadbalancing:AddTags": add,
    "elasticloadbalancing:RemoveTags": remove,
    "elasticloadbalancing:DescribeTags": describe,
}
