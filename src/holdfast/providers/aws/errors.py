"""AWS: from an error code to the class that says what to do next. The only reader of its messages.

Source: docs/provider-contract.md has the same table for people; codes are AWS's documented ones.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any

from botocore import exceptions as sdk

from holdfast.providers import errors

ErrorClass = type[errors.ProviderError]

LATER = errors.Unavailable
THROTTLED = errors.Throttled
CAPACITY = errors.CapacityUnavailable
QUOTA = errors.QuotaExceeded
CREDENTIALS = errors.CredentialsRejected
ABSENT = errors.NotFound
CONFLICT = errors.Conflict
HELD = errors.DependencyHeld
REJECTED = errors.RequestRejected

# A code is looked up here first, then in PATTERNS from top to bottom.
CODES: Mapping[str, ErrorClass] = {
    "InternalError": LATER,
    "InternalFailure": LATER,
    "ServiceUnavailable": LATER,
    "Unavailable": LATER,
    "IncorrectInstanceState": LATER,
    "IncorrectState": LATER,
    "InvalidInstanceID": LATER,  # "The pending instance is not in a valid state"
    "ResourceInUse": LATER,
    "ConcurrentModification": LATER,
    "Gateway.NotAttached": LATER,
    "RequestLimitExceeded": THROTTLED,
    "TooManyRequestsException": THROTTLED,
    "EC2ThrottledException": THROTTLED,
    "SlowDown": THROTTLED,
    "PriorRequestNotComplete": THROTTLED,
    "InsufficientInstanceCapacity": CAPACITY,
    "InsufficientHostCapacity": CAPACITY,
    "InsufficientReservedInstanceCapacity": CAPACITY,
    "InsufficientFreeAddressesInSubnet": CAPACITY,
    "InsufficientAddressCapacity": CAPACITY,
    "UnfulfillableCapacity": CAPACITY,
    "SpotMaxPriceTooLow": CAPACITY,
    "Unsupported": CAPACITY,
    "MaxSpotInstanceCountExceeded": QUOTA,
    "PendingVerification": QUOTA,
    "AuthFailure": CREDENTIALS,
    "InvalidClientTokenId": CREDENTIALS,
    "UnrecognizedClientException": CREDENTIALS,
    "SignatureDoesNotMatch": CREDENTIALS,
    "InvalidSignatureException": CREDENTIALS,
    "IncompleteSignature": CREDENTIALS,
    "MissingAuthenticationToken": CREDENTIALS,
    "RequestTimeTooSkewed": CREDENTIALS,
    "AccessDenied": CREDENTIALS,
    "AccessDeniedException": CREDENTIALS,
    "UnauthorizedOperation": CREDENTIALS,
    "OptInRequired": CREDENTIALS,
    "Blocked": CREDENTIALS,
    "NoSuchEntity": ABSENT,
    "NoSuchHostedZone": ABSENT,
    "LoadBalancerNotFound": ABSENT,
    "ParameterNotFound": ABSENT,
    "NoSuchResourceException": ABSENT,
    "InvalidAMIID.NotFound": REJECTED,
    "InvalidKeyPair.NotFound": REJECTED,
    "InvalidInstanceType.NotFound": REJECTED,
    "RouteAlreadyExists": CONFLICT,
    "EntityAlreadyExists": CONFLICT,
    "Resource.AlreadyAssociated": CONFLICT,
    "InvalidSubnet.Conflict": CONFLICT,
    "DependencyViolation": HELD,
    "VolumeInUse": HELD,
    "InvalidIPAddress.InUse": HELD,
    "InvalidNetworkInterface.InUse": HELD,
    "DeleteConflict": HELD,
    "HostedZoneNotEmpty": HELD,
    "OperationNotPermitted": HELD,
    "CannotDelete": HELD,
    "IdempotentParameterMismatch": REJECTED,
    "InvalidAction": REJECTED,
    "InvalidInput": REJECTED,
    "ValidationError": REJECTED,
    "ValidationException": REJECTED,
    "UnsupportedOperation": REJECTED,
    "UnknownOperationException": REJECTED,
}
PATTERNS: tuple[tuple[str, ErrorClass], ...] = (
    ("Throttling*", THROTTLED),
    ("*Expired*", CREDENTIALS),
    ("InvalidAMIID.*", REJECTED),
    ("InvalidInstanceType*", REJECTED),
    ("*NotFound", ABSENT),
    ("*.Duplicate", CONFLICT),
    ("*AlreadyExists*", CONFLICT),
    ("Duplicate*", CONFLICT),
    ("*LimitExceeded*", QUOTA),
    ("TooMany*", QUOTA),
    ("InvalidParameter*", REJECTED),
    ("Missing*", REJECTED),
    ("Malformed*", REJECTED),
    ("Invalid*.Range", REJECTED),
    ("Invalid*.Malformed", REJECTED),
)
# One code that means two things: (code, words of the message) -> class.
WORDED: tuple[tuple[str, str, ErrorClass], ...] = (
    # A new instance profile is not known to EC2 for some seconds.
    ("InvalidParameterValue", "Invalid IAM Instance Profile", LATER),
    ("InvalidParameterCombination", "Could not create volume", LATER),
    # An internet gateway serves one network, a network has one gateway.
    ("InvalidParameterValue", "already has an internet gateway attached", CONFLICT),
    ("InvalidParameterValue", "is already attached to", CONFLICT),
)
# No connection was made: the request was never sent.
UNSENT = (
    sdk.ConnectTimeoutError,
    sdk.EndpointConnectionError,
    sdk.ProxyConnectionError,
    sdk.SSLError,
)
KEYLESS = (sdk.NoCredentialsError, sdk.PartialCredentialsError)
MALFORMED = (
    sdk.ParamValidationError,
    sdk.UnknownRegionError,
    sdk.InvalidRegionError,
    sdk.NoRegionError,
    sdk.UnknownServiceError,
)

_PERMISSION = re.compile(r"perform: ([a-z0-9-]+:[A-Za-z]+)")
_ENCODED = re.compile(r"\s*Encoded authorization failure message:\s*\S+")
_LONGEST_DETAIL = 500


def class_of(code: str, message: str) -> ErrorClass | None:
    """The class of a code; None for a code that no table knows."""
    for worded, words, found in WORDED:
        if code == worded and words in message:
            return found
    if code in CODES:
        return CODES[code]
    return next((found for pattern, found in PATTERNS if fnmatchcase(code, pattern)), None)


def classify(
    error: Exception, attempted: str, action: str, *, creating: bool
) -> errors.ProviderError:
    """The platform's error for what an SDK call raised.

    action    the call as policies spell it: "ec2:RunInstances"
    creating  True where a repeat may make a second thing: then what is not known to have failed
              is OutcomeUnknown, and a thing that is not found is one that is not visible yet
    """
    if isinstance(error, sdk.ClientError):
        return _refusal(error.response, attempted, action, creating=creating)
    code, detail = type(error).__name__, _clean(str(error))
    if isinstance(error, KEYLESS):
        return errors.CredentialsRejected(attempted, code, detail)
    if isinstance(error, MALFORMED):
        return errors.RequestRejected(attempted, code, detail)
    if creating and not isinstance(error, UNSENT):
        return errors.OutcomeUnknown(attempted, code, detail)
    return errors.Unavailable(attempted, code, detail)


def _refusal(
    response: Mapping[str, Any], attempted: str, action: str, *, creating: bool
) -> errors.ProviderError:
    told = response.get("Error", {})
    code, message = str(told.get("Code", "")), str(told.get("Message", ""))
    detail = _clean(message)
    found = class_of(code, message)
    if found is None:
        found = errors.OutcomeUnknown if creating else errors.Unavailable
    elif found is errors.NotFound and creating:
        found = errors.Unavailable
    if found is errors.Throttled:
        return errors.Throttled(attempted, code, detail, _retry_after(response))
    if found is errors.CredentialsRejected:
        return errors.CredentialsRejected(attempted, code, detail, _permission(message, action))
    return found(attempted, code, detail)


def _permission(message: str, action: str) -> str:
    """The permission that is lacking; empty when the key itself is refused."""
    named = _PERMISSION.search(message)
    if named:
        return named.group(1)
    return action if "not authorized" in message else ""


def _retry_after(response: Mapping[str, Any]) -> timedelta | None:
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    seconds = str(headers.get("retry-after", ""))
    return timedelta(seconds=int(seconds)) if seconds.isdigit() else None


def _clean(message: str) -> str:
    """One line, without the encoded blob, at most 500 characters."""
    text = " ".join(_ENCODED.sub("", message).split())
    return text if len(text) <= _LONGEST_DETAIL else f"{text[: _LONGEST_DETAIL - 1]}…"
