"""Every right at AWS that Holdfast needs, as data: checked before the first effect, and written
out as the least-privilege policy document. A test holds it against what the provider calls.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from holdfast.model import names


class On(Enum):
    """What a right is needed on: the statement of the policy that grants it."""

    ANYTHING = "Read"  # calls that AWS cannot restrict, and reading
    NEW = "Make"  # things that do not exist yet, and memberships, which carry no tags
    OURS = "ChangeOurs"  # only things with Holdfast's installation tag
    TAGS_OF_NEW = "TagWhatIsMade"  # only as a part of a create call
    TAGS_OF_RULES = "TagFirstEgressRule"
    ROLES = "MachineRoles"  # only IAM roles and profiles under Holdfast's path
    PASS = "PassMachineRoles"  # noqa: S105  (hand such a role to EC2, to nothing else)
    SPOT = "SpotServiceRole"
    IMAGES = "FindImages"


@dataclass(frozen=True, slots=True)
class Permission:
    """One right. `called` is False for rights that AWS asks for behind another call."""

    action: str
    why: str
    on: On = On.ANYTHING
    called: bool = True


def _reading(why: str, *actions: str) -> tuple[Permission, ...]:
    return tuple(Permission(action, why) for action in actions)


PERMISSIONS: tuple[Permission, ...] = (
    *_reading(
        "see what is there",
        "ec2:DescribeVpcs",
        "ec2:DescribeSubnets",
        "ec2:DescribeInternetGateways",
        "ec2:DescribeRouteTables",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSecurityGroupRules",
        "ec2:DescribeAddresses",
        "ec2:DescribeInstances",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeNatGateways",
        "iam:ListInstanceProfiles",
    ),
    *_reading(
        "know what can be bought",
        "ec2:DescribeRegions",
        "ec2:DescribeAvailabilityZones",
        "ec2:DescribeInstanceTypes",
        "ec2:DescribeInstanceTypeOfferings",
        "ec2:DescribeSpotPriceHistory",
        "ec2:DescribeImages",
        "pricing:GetProducts",
        "servicequotas:GetServiceQuota",
    ),
    Permission("iam:SimulatePrincipalPolicy", "name a right that is missing"),
    Permission("ec2:GetConsoleOutput", "say why a machine did not come up"),
    Permission("ssm:GetParameters", "find the newest image", On.IMAGES),
    Permission("ec2:CreateVpc", "network", On.NEW),
    Permission("ec2:CreateSubnet", "network", On.NEW),
    Permission("ec2:CreateInternetGateway", "network", On.NEW),
    Permission("ec2:AttachInternetGateway", "network", On.NEW),
    Permission("ec2:CreateRouteTable", "network", On.NEW),
    Permission("ec2:AssociateRouteTable", "network", On.NEW),
    Permission("ec2:DisassociateRouteTable", "network", On.NEW),
    Permission("ec2:CreateRoute", "network", On.OURS),
    Permission("ec2:CreateSecurityGroup", "firewall", On.NEW),
    Permission("ec2:AuthorizeSecurityGroupIngress", "firewall", On.NEW),
    Permission("ec2:AuthorizeSecurityGroupEgress", "firewall", On.NEW),
    Permission("ec2:AllocateAddress", "the users' address", On.NEW),
    Permission("ec2:AssociateAddress", "the users' address", On.NEW),
    Permission("ec2:DisassociateAddress", "the users' address", On.NEW),
    Permission("ec2:RunInstances", "machines", On.NEW),
    Permission("ec2:CreateTags", "ownership of what is made", On.TAGS_OF_NEW, called=False),
    Permission("ec2:CreateTags", "ownership of a group's first egress rule", On.TAGS_OF_RULES),
    Permission("ec2:TerminateInstances", "remove", On.OURS),
    Permission("ec2:ReleaseAddress", "remove", On.OURS),
    Permission("ec2:RevokeSecurityGroupIngress", "remove", On.OURS),
    Permission("ec2:RevokeSecurityGroupEgress", "remove", On.OURS),
    Permission("ec2:DeleteSecurityGroup", "remove", On.OURS),
    Permission("ec2:DeleteRoute", "remove", On.OURS),
    Permission("ec2:DeleteRouteTable", "remove", On.OURS),
    Permission("ec2:DetachInternetGateway", "remove", On.OURS),
    Permission("ec2:DeleteInternetGateway", "remove", On.OURS),
    Permission("ec2:DeleteSubnet", "remove", On.OURS),
    Permission("ec2:DeleteVpc", "remove", On.OURS),
    Permission("iam:GetInstanceProfile", "see machine roles", On.ROLES),
    Permission("iam:CreateInstanceProfile", "machine roles", On.ROLES),
    Permission("iam:TagInstanceProfile", "machine roles", On.ROLES, called=False),
    Permission("iam:CreateRole", "machine roles", On.ROLES),
    Permission("iam:TagRole", "machine roles", On.ROLES, called=False),
    Permission("iam:AddRoleToInstanceProfile", "machine roles", On.ROLES),
    Permission("iam:RemoveRoleFromInstanceProfile", "remove machine roles", On.ROLES),
    Permission("iam:DeleteRole", "remove machine roles", On.ROLES),
    Permission("iam:DeleteInstanceProfile", "remove machine roles", On.ROLES),
    Permission("iam:PassRole", "give a machine its role", On.PASS, called=False),
    Permission("iam:CreateServiceLinkedRole", "the first spot machine", On.SPOT, called=False),
)

_ROLE = "arn:aws:iam::*:role/holdfast*"
_PROFILE = "arn:aws:iam::*:instance-profile/holdfast*"
_SPOT_ROLE = "arn:aws:iam::*:role/aws-service-role/spot.amazonaws.com/*"
_RULES = "arn:aws:ec2:*:*:security-group-rule/*"
_IMAGES = "arn:aws:ssm:*::parameter/aws/service/canonical/*"
_OUR_TAG = f"aws:ResourceTag/{names.TAG_INSTALLATION}"

# Statement -> resources, condition.
_SCOPES: Mapping[On, tuple[Sequence[str], Mapping[str, Any]]] = {
    On.ANYTHING: (["*"], {}),
    On.NEW: (["*"], {}),
    On.OURS: (["*"], {"StringLike": {_OUR_TAG: "*"}}),
    On.TAGS_OF_NEW: (["*"], {"StringLike": {"ec2:CreateAction": "*"}}),
    On.TAGS_OF_RULES: ([_RULES], {}),
    On.ROLES: ([_ROLE, _PROFILE], {}),
    On.PASS: ([_ROLE], {"StringEqualsIfExists": {"iam:PassedToService": "ec2.amazonaws.com"}}),
    On.SPOT: ([_SPOT_ROLE], {"StringLike": {"iam:AWSServiceName": "spot.amazonaws.com"}}),
    On.IMAGES: ([_IMAGES], {}),
}


def policy() -> dict[str, Any]:
    """The least-privilege policy document for Holdfast's key, ready for IAM."""
    statements = []
    for on, (resources, condition) in _SCOPES.items():
        statement: dict[str, Any] = {
            "Sid": on.value,
            "Effect": "Allow",
            "Action": sorted({one.action for one in PERMISSIONS if one.on is on}),
            "Resource": resources[0] if len(resources) == 1 else list(resources),
        }
        if condition:
            statement["Condition"] = dict(condition)
        statements.append(statement)
    return {"Version": "2012-10-17", "Statement": statements}


def example(on: On, account: str, region: str) -> str:
    """A resource of the kind that a right is needed on, to ask AWS about."""
    return {
        On.ROLES: f"arn:aws:iam::{account}:role/holdfast/example",
        On.PASS: f"arn:aws:iam::{account}:role/holdfast/example",
        On.SPOT: f"arn:aws:iam::{account}:role/aws-service-role/spot.amazonaws.com/example",
        On.TAGS_OF_RULES: f"arn:aws:ec2:{region}:{account}:security-group-rule/sgr-example",
        On.IMAGES: f"arn:aws:ssm:{region}::parameter/aws/service/canonical/ubuntu/example",
    }.get(on, "*")


def circumstances(region: str) -> list[dict[str, Any]]:
    """`ContextEntries` of a simulation: what will hold when Holdfast makes the calls."""
    facts = {
        _OUR_TAG: "example",
        "ec2:CreateAction": "RunInstances",
        "iam:PassedToService": "ec2.amazonaws.com",
        "iam:AWSServiceName": "spot.amazonaws.com",
        "aws:RequestedRegion": region,
        "ec2:Region": region,
    }
    return [
        {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
        for key, value in facts.items()
    ]
