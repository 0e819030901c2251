"""IAM and STS where moto only nods: roles must exist and trust the caller, rights be simulated."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from moto.iam.models import iam_backends

from holdfast_sandbox.aws import identities
from holdfast_sandbox.aws.call import Call
from holdfast_sandbox.aws.door import access, policy
from holdfast_sandbox.aws.errors import AwsError, Gap
from holdfast_sandbox.aws.identities import Identity
from holdfast_sandbox.aws.world import World

STS_BY_MOTO = ("GetCallerIdentity", "AssumeRole")


def check(call: Call, identity: Identity) -> None:
    """Before moto answers: what it would nod through."""
    if call.service == "sts":
        if call.action not in STS_BY_MOTO:
            raise Gap("InvalidAction", f"{call.name} is not emulated.")
        if call.action == "AssumeRole":
            _check_assume(call, identity)


def _check_assume(call: Call, identity: Identity) -> None:
    arn = str(call.params.get("RoleArn", ""))
    context: dict[str, str | tuple[str, ...]] = {}
    if call.params.get("ExternalId"):
        context["sts:externalid"] = str(call.params["ExternalId"])
    root = f"arn:aws:iam::{identity.account}:root"
    role = _role(arn)
    if role is None or not policy.trusts(
        role.assume_role_policy_document,
        "sts:AssumeRole",
        (identity.arn, root, identity.account),
        context,
    ):
        raise AwsError(
            "AccessDenied",
            f"User: {identity.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}",
            403,
        )


def _role(arn: str) -> Any:
    parts = arn.split(":")
    if len(parts) < 6 or parts[4] not in iam_backends:
        return None
    backend = iam_backends[parts[4]][identities.PARTITION]
    return next((role for role in backend.roles.values() if role.arn == arn), None)


def after(call: Call, world: World) -> None:
    """EC2 learns of a new profile late: note when it was made or changed."""
    if call.action in ("CreateInstanceProfile", "AddRoleToInstanceProfile"):
        name = f"profile:{call.account}:{call.params['InstanceProfileName']}"
        world.state.births[name] = world.now()


def simulate(call: Call, _: Identity, world: World) -> dict[str, Any]:
    """SimulatePrincipalPolicy: the verdict of the same evaluator that guards the door."""
    arn = str(call.params["PolicySourceArn"])
    holder = identities.of_arn(_plain(arn))
    if holder is None:
        raise AwsError("NoSuchEntity", f"The principal {arn} cannot be found.", 404)
    context: dict[str, str | tuple[str, ...]] = {}
    for entry in call.params.get("ContextEntries") or []:
        values = tuple(str(value) for value in entry.get("ContextKeyValues") or [])
        context[str(entry["ContextKeyName"]).lower()] = values
    results = [
        _evaluated(
            access.verdict_on(holder, str(action), str(resource), context, world), action, resource
        )
        for action in call.params["ActionNames"]
        for resource in call.params.get("ResourceArns") or ["*"]
    ]
    return {"EvaluationResults": results, "IsTruncated": False}


def _plain(arn: str) -> str:
    """An assumed-role ARN without its session name."""
    return arn.rpartition("/")[0] if ":assumed-role/" in arn and arn.count("/") > 1 else arn


def _evaluated(verdict: policy.Verdict, action: object, resource: object) -> dict[str, Any]:
    denied = "explicitDeny" if verdict.explicit else "implicitDeny"
    return {
        "EvalActionName": str(action),
        "EvalResourceName": str(resource),
        "EvalDecision": "allowed" if verdict.allowed else denied,
        "MatchedStatements": [],
        "MissingContextValues": [],
    }


def decode(call: Call, _: Identity, world: World) -> dict[str, Any]:
    """DecodeAuthorizationMessage: the reason behind a refusal of EC2."""
    details = world.state.denials.get(str(call.params["EncodedMessage"]))
    if details is None:
        raise AwsError("InvalidAuthorizationMessageException", "The message is not valid.")
    return {"DecodedMessage": json.dumps(details)}


ANSWERS: Mapping[str, Callable[[Call, Identity, World], dict[str, Any]]] = {
    "iam:SimulatePrincipalPolicy": simulate,
    "sts:DecodeAuthorizationMessage": decode,
}
