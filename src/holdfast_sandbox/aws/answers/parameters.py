"""Systems Manager: only the public parameters that name Canonical's newest images (H40)."""

from collections.abc import Callable, Mapping
from typing import Any

from holdfast_sandbox.aws.call import Call
from holdfast_sandbox.aws.ec2 import images
from holdfast_sandbox.aws.errors import AwsError
from holdfast_sandbox.aws.identities import Identity
from holdfast_sandbox.aws.world import World


def _parameter(call: Call, name: str, value: str) -> dict[str, Any]:
    return {
        "Name": name,
        "Type": "String",
        "Value": value,
        "Version": 1,
        "DataType": "aws:ec2:image",
        "ARN": f"arn:aws:ssm:{call.region}::parameter{name}",
    }


def get_parameter(call: Call, _: Identity, __: World) -> dict[str, Any]:
    """GetParameter."""
    name = str(call.params["Name"])
    value = images.parameters(call.region).get(name)
    if value is None:
        raise AwsError("ParameterNotFound", f"Parameter {name} not found.")
    return {"Parameter": _parameter(call, name, value)}


def get_parameters(call: Call, _: Identity, __: World) -> dict[str, Any]:
    """GetParameters."""
    known = images.parameters(call.region)
    names = [str(name) for name in call.params["Names"]]
    return {
        "Parameters": [_parameter(call, n, known[n]) for n in names if n in known],
        "InvalidParameters": [name for name in names if name not in known],
    }


def by_path(call: Call, _: Identity, __: World) -> dict[str, Any]:
    """GetParametersByPath, in one page."""
    path = str(call.params["Path"]).rstrip("/") + "/"
    deep = bool(call.params.get("Recursive"))
    found = {
        name: value
        for name, value in images.parameters(call.region).items()
        if name.startswith(path) and (deep or "/" not in name.removeprefix(path))
    }
    return {"Parameters": [_parameter(call, name, value) for name, value in found.items()]}


ANSWERS: Mapping[str, Callable[[Call, Identity, World], dict[str, Any]]] = {
    "ssm:GetParameter": get_parameter,
    "ssm:GetParameters": get_parameters,
    "ssm:GetParametersByPath": by_path,
}
