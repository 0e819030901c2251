"""The door: signatures checked for real, keys looked up, policies evaluated, refusals worded."""

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NoReturn

from moto.iam.models import iam_backends

from holdfast_sandbox.aws import identities
from holdfast_sandbox.aws.call import Call
from holdfast_sandbox.aws.door import policy, requested, signing
from holdfast_sandbox.aws.errors import AwsError
from holdfast_sandbox.aws.faults import Facts, Kind
from holdfast_sandbox.aws.identities import Identity
from holdfast_sandbox.aws.world import World

TagsOf = Callable[[Call, str], Mapping[str, str]]


def authenticate(call: Call, world: World) -> Identity:
    """Find the caller and check the signature; fills `call.account` and `call.caller`."""
    key = call.signature.key
    identity = identities.find(key)
    if identity is None or not identity.active or key in world.state.revoked:
        _bad_key(call)
    if _is_expired(identity, key, world):
        _expired(call)
    if identity.token != call.request.headers.get("X-Amz-Security-Token"):
        _bad_key(call)
    if not hmac.compare_digest(signing.expected(call, identity.secret), call.signature.value):
        _bad_signature(call, "The request signature we calculated does not match the signature you")
    _check_clock(call, world)
    call.account, call.caller = identity.account, identity.arn
    return identity


def _is_expired(identity: Identity, key: str, world: World) -> bool:
    passed = identity.expires is not None and identity.expires <= world.now()
    return passed or key in world.state.expired


def _check_clock(call: Call, world: World) -> None:
    try:
        stamp = call.request.headers.get("X-Amz-Date", "")
        sent = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        _bad_signature(call, "Date must be in ISO-8601 'basic format'")
    if abs(sent - world.now()) > world.settings.clock_tolerance:
        now = world.now().strftime("%Y%m%dT%H%M%SZ")
        _bad_signature(call, f"Signature expired or not yet current: {stamp} is not near {now}")


def _bad_key(call: Call) -> NoReturn:
    if call.service == "ec2":
        text = "AWS was not able to validate the provided access credentials"
        raise AwsError("AuthFailure", text, 401)
    code = "UnrecognizedClientException" if call.protocol == "json" else "InvalidClientTokenId"
    status = 400 if call.protocol == "json" else 403
    raise AwsError(code, "The security token included in the request is invalid.", status)


def _expired(call: Call) -> NoReturn:
    if call.service == "ec2":
        raise AwsError("RequestExpired", "Request has expired.", 400)
    code = "ExpiredTokenException" if call.protocol == "json" else "ExpiredToken"
    raise AwsError(code, "The security token included in the request is expired", 403)


def _bad_signature(call: Call, text: str) -> NoReturn:
    if call.service == "ec2":
        wording = "AWS was not able to validate the provided access credentials"
        raise AwsError("AuthFailure", wording, 401)
    code = "InvalidSignatureException" if call.protocol == "json" else "SignatureDoesNotMatch"
    raise AwsError(code, text, 403)


def authorise(call: Call, identity: Identity, world: World, tags_of: TagsOf) -> None:
    """Evaluate the caller's policies for everything that the call does. Raises the refusal."""
    if call.name == "sts:GetCallerIdentity":
        return
    for action, resource, thing in _demands(call):
        context = requested.context(call, tags_of(call, thing) if thing else {})
        if action == "ec2:CreateTags" and call.action != "CreateTags":
            context["ec2:createaction"] = call.action
        if action == "iam:PassRole":
            context["iam:passedtoservice"] = "ec2.amazonaws.com"
        verdict = verdict_on(identity, action, resource, context, world)
        if not verdict.allowed:
            _refuse(call, world, action, resource, explicit=verdict.explicit)


def _demands(call: Call) -> list[tuple[str, str, str]]:
    """(action, resource ARN, id) of every permission that the call needs."""
    found = [(call.name, arn, thing) for arn, thing in requested.resources(call)]
    if call.service == "iam":
        return found + _behind_iam(call, found[0][1])
    if call.service != "ec2":
        return found
    if call.params.get("TagSpecifications"):
        kinds = {str(s.get("ResourceType", "*")) for s in call.params["TagSpecifications"]}
        place = f"arn:aws:ec2:{call.region}:{call.account}"
        found += [("ec2:CreateTags", f"{place}:{kind}/*", "") for kind in sorted(kinds)]
    profile = call.params.get("IamInstanceProfile") or {}
    if call.action == "RunInstances" and profile:
        found += [("iam:PassRole", arn, "") for arn in roles_of(call.account, profile)]
    return found


def _behind_iam(call: Call, resource: str) -> list[tuple[str, str, str]]:
    """Tagging at creation and handing a role over are rights of their own."""
    behind = {"CreateRole": "iam:TagRole", "CreateInstanceProfile": "iam:TagInstanceProfile"}
    if call.action in behind and call.params.get("Tags"):
        return [(behind[call.action], resource, "")]
    if call.action == "AddRoleToInstanceProfile":
        role = identities.iam_arn(call.account, "role", str(call.params.get("RoleName")))
        return [("iam:PassRole", role, "")] if role else []
    return []


def roles_of(account: str, profile: Mapping[str, str]) -> list[str]:
    """ARNs of the roles in an instance profile given by Name or Arn; none if it is unknown."""
    backend = iam_backends[account][identities.PARTITION]
    return [
        role.arn
        for found in backend.instance_profiles.values()
        if found.name == profile.get("Name") or found.arn == profile.get("Arn")
        for role in found.roles
    ]


def verdict_on(
    identity: Identity, action: str, resource: str, context: policy.Context, world: World
) -> policy.Verdict:
    """What the identity's policies, and a deny fault, say of one action."""
    facts = Facts(account=identity.account, action=action, subjects=(resource,))
    if world.faults.find((Kind.DENY,), facts):
        return policy.Verdict(allowed=False, explicit=True)
    verdict = policy.evaluate(identity.policies, action, resource, context)
    if verdict.allowed and identity.bounds:
        bound = policy.evaluate(identity.bounds, action, resource, context)
        return verdict if bound.allowed else bound
    return verdict


def _refuse(call: Call, world: World, action: str, resource: str, *, explicit: bool) -> NoReturn:
    why = (
        "with an explicit deny in an identity-based policy"
        if explicit
        else f"because no identity-based policy allows the {action} action"
    )
    on = f" on resource: {resource}" if resource != "*" else ""
    text = f"User: {call.caller} is not authorized to perform: {action}{on} {why}"
    if call.service != "ec2":
        code = "AccessDeniedException" if call.protocol == "json" else "AccessDenied"
        raise AwsError(code, text, 400 if call.protocol == "json" else 403)
    details = {
        "allowed": False,
        "explicitDeny": explicit,
        "context": {"principal": {"arn": call.caller}, "action": action, "resource": resource},
    }
    packed = json.dumps(details, sort_keys=True).encode()
    message = base64.urlsafe_b64encode(call.request_id.encode() + b"." + packed).decode()
    world.state.denials[message] = details
    raise AwsError(
        "UnauthorizedOperation",
        f"You are not authorized to perform this operation. {text}. "
        f"Encoded authorization failure message: {message}",
        403,
    )
