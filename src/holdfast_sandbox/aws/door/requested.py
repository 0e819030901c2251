"""Which resources a call acts on and in which context: what policies are evaluated with."""

from collections.abc import Iterator, Mapping
from typing import Any

from holdfast_sandbox.aws import identities
from holdfast_sandbox.aws.call import Call
from holdfast_sandbox.aws.faults import strings

# Prefix of an id -> the kind of resource in ARNs.
KINDS: Mapping[str, str] = {
    "i": "instance",
    "vpc": "vpc",
    "subnet": "subnet",
    "sg": "security-group",
    "sgr": "security-group-rule",
    "igw": "internet-gateway",
    "rtb": "route-table",
    "nat": "natgateway",
    "eipalloc": "elastic-ip",
    "eni": "network-interface",
    "vol": "volume",
    "snap": "snapshot",
    "ami": "image",
    "acl": "network-acl",
    "lt": "launch-template",
    "sir": "spot-instances-request",
    "key": "key-pair",
}
ARNS = ("LoadBalancerArn", "TargetGroupArn", "ListenerArn")
# Where AWS looks at some of the named things only: action -> those parameters.
ONLY: Mapping[str, tuple[str, ...]] = {
    "AuthorizeSecurityGroupIngress": ("GroupId",),
    "AuthorizeSecurityGroupEgress": ("GroupId",),
    "RevokeSecurityGroupIngress": ("GroupId",),
    "RevokeSecurityGroupEgress": ("GroupId",),
    "CreateRoute": ("RouteTableId",),
    "ReplaceRoute": ("RouteTableId",),
    "DeleteRoute": ("RouteTableId",),
}
MADE_BY: Mapping[str, tuple[str, ...]] = {
    "RunInstances": ("instance", "volume", "network-interface"),
    "CreateVpc": ("vpc",),
    "CreateSubnet": ("subnet",),
    "CreateSecurityGroup": ("security-group",),
    "CreateInternetGateway": ("internet-gateway",),
    "CreateRouteTable": ("route-table",),
    "CreateNatGateway": ("natgateway",),
    "AllocateAddress": ("elastic-ip",),
    "CreateNetworkInterface": ("network-interface",),
    "CreateVolume": ("volume",),
    "CreateSnapshot": ("snapshot",),
    "ImportKeyPair": ("key-pair",),
    "CreateKeyPair": ("key-pair",),
}


def ids(params: Mapping[str, Any]) -> list[str]:
    """Every EC2 resource id among the parameters, in order, each once."""
    found = [text for text in strings(params) if text.partition("-")[0] in KINDS and "-" in text]
    return list(dict.fromkeys(found))


def resources(call: Call) -> list[tuple[str, str]]:
    """(ARN, id or "") of everything that `call` acts on; ("*", "") where there is nothing."""
    found: list[tuple[str, str]] = []
    if call.service == "ec2" and call.mutating:
        found = _of_ec2(call)
    elif call.service == "iam":
        found = [(arn, "") for arn in _of_iam(call)]
    elif call.service == "ssm":
        names = [call.params.get("Name"), *(call.params.get("Names") or [])]
        place = f"arn:aws:ssm:{call.region}:"
        found = [(f"{place}:parameter{name}", "") for name in names if name]
    elif call.service == "elbv2":
        found = [(str(call.params[name]), "") for name in ARNS if name in call.params]
    elif call.service == "sts" and "RoleArn" in call.params:
        found = [(str(call.params["RoleArn"]), "")]
    return found or [("*", "")]


def _of_ec2(call: Call) -> list[tuple[str, str]]:
    place = f"arn:aws:ec2:{call.region}:{call.account}"
    found = [(f"{place}:{kind}/*", "") for kind in MADE_BY.get(call.action, ())]
    names = ONLY.get(call.action, tuple(call.params))
    asked = {k: v for k, v in call.params.items() if k in names and k != "TagSpecifications"}
    for thing in ids(asked):
        kind = KINDS[thing.partition("-")[0]]
        owner = f"arn:aws:ec2:{call.region}:" if kind == "image" else place
        found.append((f"{owner}:{kind}/{thing}", thing))
    return found


def _of_iam(call: Call) -> Iterator[str]:
    """A profile call is about the profile, also where it names a role; else role or user."""
    place, path = f"arn:aws:iam::{call.account}", str(call.params.get("Path") or "/")
    for name, kind in (
        ("InstanceProfileName", "instance-profile"),
        ("RoleName", "role"),
        ("UserName", "user"),
    ):
        if name in call.params:
            held = identities.iam_arn(call.account, kind, str(call.params[name]))
            yield held or f"{place}:{kind}{path}{call.params[name]}"
            return


def tags_asked(params: Mapping[str, Any]) -> dict[str, str]:
    """The tags that a call wants to set, of all its tag specifications."""
    found = {}
    for tag in _tags(params):
        found[str(tag.get("Key", ""))] = str(tag.get("Value", ""))
    return found


def _tags(params: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from params.get("Tags", []) or []
    for specification in params.get("TagSpecifications", []) or []:
        yield from specification.get("Tags", []) or []


def context(call: Call, tags: Mapping[str, str]) -> dict[str, str | tuple[str, ...]]:
    """The condition keys (lower-case) of a call on a resource that carries `tags`."""
    asked = tags_asked(call.params)
    found: dict[str, str | tuple[str, ...]] = {
        "aws:requestedregion": call.region,
        "ec2:region": call.region,
        "aws:principalaccount": call.account,
        "aws:principalarn": call.caller,
        "aws:securetransport": "false",
    }
    if asked:
        found["aws:tagkeys"] = tuple(asked)
    for key, value in asked.items():
        found[f"aws:requesttag/{key.lower()}"] = value
    for key, value in tags.items():
        found[f"aws:resourcetag/{key.lower()}"] = value
        found[f"ec2:resourcetag/{key.lower()}"] = value
    if "ExternalId" in call.params:
        found["sts:externalid"] = str(call.params["ExternalId"])
    if "InstanceType" in call.params:
        found["ec2:instancetype"] = str(call.params["InstanceType"])
    return found
