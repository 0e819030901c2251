"""AWS's codes: each leads to the reaction that the platform's contract names."""

from datetime import timedelta
from typing import Any

import pytest
from botocore import exceptions as sdk
from botocore.parsers import ResponseParserError
from hypothesis import given
from hypothesis import strategies as st

from holdfast.providers import errors
from holdfast.providers.aws.errors import classify

LATER, THROTTLED, UNKNOWN = errors.Unavailable, errors.Throttled, errors.OutcomeUnknown
CAPACITY, QUOTA, CREDENTIALS = (
    errors.CapacityUnavailable,
    errors.QuotaExceeded,
    errors.CredentialsRejected,
)
ABSENT, CONFLICT, HELD, REJECTED = (
    errors.NotFound,
    errors.Conflict,
    errors.DependencyHeld,
    errors.RequestRejected,
)

# code, message, class on a create, class otherwise
CASES: tuple[tuple[str, str, type[Exception], type[Exception]], ...] = (
    ("InternalError", "", LATER, LATER),
    ("Unavailable", "", LATER, LATER),
    ("ServiceUnavailable", "", LATER, LATER),
    ("IncorrectInstanceState", "", LATER, LATER),
    ("InvalidInstanceID", "The pending instance is not in a valid state", LATER, LATER),
    ("RequestLimitExceeded", "", THROTTLED, THROTTLED),
    ("Throttling", "", THROTTLED, THROTTLED),
    ("ThrottlingException", "", THROTTLED, THROTTLED),
    ("TooManyRequestsException", "", THROTTLED, THROTTLED),
    ("EC2ThrottledException", "", THROTTLED, THROTTLED),
    ("SlowDown", "", THROTTLED, THROTTLED),
    ("PriorRequestNotComplete", "", THROTTLED, THROTTLED),
    ("InsufficientInstanceCapacity", "", CAPACITY, CAPACITY),
    ("InsufficientHostCapacity", "", CAPACITY, CAPACITY),
    ("InsufficientFreeAddressesInSubnet", "", CAPACITY, CAPACITY),
    ("InsufficientAddressCapacity", "", CAPACITY, CAPACITY),
    ("UnfulfillableCapacity", "", CAPACITY, CAPACITY),
    ("SpotMaxPriceTooLow", "", CAPACITY, CAPACITY),
    ("Unsupported", "not supported in your requested zone", CAPACITY, CAPACITY),
    ("VcpuLimitExceeded", "", QUOTA, QUOTA),
    ("MaxSpotInstanceCountExceeded", "", QUOTA, QUOTA),
    ("AddressLimitExceeded", "", QUOTA, QUOTA),
    ("VpcLimitExceeded", "", QUOTA, QUOTA),
    ("RulesPerSecurityGroupLimitExceeded", "", QUOTA, QUOTA),
    ("LimitExceeded", "", QUOTA, QUOTA),
    ("LimitExceededException", "", QUOTA, QUOTA),
    ("TooManyThings", "", QUOTA, QUOTA),
    ("PendingVerification", "", QUOTA, QUOTA),
    ("AuthFailure", "", CREDENTIALS, CREDENTIALS),
    ("InvalidClientTokenId", "", CREDENTIALS, CREDENTIALS),
    ("SignatureDoesNotMatch", "", CREDENTIALS, CREDENTIALS),
    ("ExpiredToken", "", CREDENTIALS, CREDENTIALS),
    ("RequestExpired", "", CREDENTIALS, CREDENTIALS),
    ("ExpiredTokenException", "", CREDENTIALS, CREDENTIALS),
    ("AccessDenied", "", CREDENTIALS, CREDENTIALS),
    ("AccessDeniedException", "", CREDENTIALS, CREDENTIALS),
    ("UnauthorizedOperation", "", CREDENTIALS, CREDENTIALS),
    ("OptInRequired", "", CREDENTIALS, CREDENTIALS),
    ("InvalidInstanceID.NotFound", "", LATER, ABSENT),
    ("InvalidSubnetID.NotFound", "", LATER, ABSENT),
    ("InvalidGroup.NotFound", "", LATER, ABSENT),
    ("InvalidVpcID.NotFound", "", LATER, ABSENT),
    ("NatGatewayNotFound", "", LATER, ABSENT),
    ("NoSuchEntity", "", LATER, ABSENT),
    ("InvalidGroup.Duplicate", "", CONFLICT, CONFLICT),
    ("InvalidPermission.Duplicate", "", CONFLICT, CONFLICT),
    ("RouteAlreadyExists", "", CONFLICT, CONFLICT),
    ("EntityAlreadyExists", "", CONFLICT, CONFLICT),
    ("EntityAlreadyExistsException", "", CONFLICT, CONFLICT),
    ("Resource.AlreadyAssociated", "", CONFLICT, CONFLICT),
    ("InvalidSubnet.Conflict", "", CONFLICT, CONFLICT),
    ("DuplicateLoadBalancerName", "", CONFLICT, CONFLICT),
    ("DependencyViolation", "", HELD, HELD),
    ("InvalidIPAddress.InUse", "", HELD, HELD),
    ("InvalidNetworkInterface.InUse", "", HELD, HELD),
    ("VolumeInUse", "", HELD, HELD),
    ("DeleteConflict", "", HELD, HELD),
    ("OperationNotPermitted", "", HELD, HELD),
    ("InvalidParameterValue", "Value (x) is invalid", REJECTED, REJECTED),
    ("InvalidParameterCombination", "", REJECTED, REJECTED),
    ("MissingParameter", "", REJECTED, REJECTED),
    ("MalformedPolicyDocument", "", REJECTED, REJECTED),
    ("InvalidAMIID.NotFound", "", REJECTED, REJECTED),
    ("InvalidAMIID.Malformed", "", REJECTED, REJECTED),
    ("InvalidInstanceType", "", REJECTED, REJECTED),
    ("InvalidVpc.Range", "", REJECTED, REJECTED),
    ("InvalidSubnet.Range", "", REJECTED, REJECTED),
    ("IdempotentParameterMismatch", "", REJECTED, REJECTED),
    ("InvalidAction", "", REJECTED, REJECTED),
    # One code, two meanings.
    ("InvalidParameterValue", "Invalid IAM Instance Profile name", LATER, LATER),
    # What nobody lists.
    ("SomethingNew", "", UNKNOWN, LATER),
    ("500", "", UNKNOWN, LATER),
    ("", "", UNKNOWN, LATER),
)


def refusal(code: str, message: str = "", status: int = 400, **headers: str) -> sdk.ClientError:
    response: dict[str, Any] = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers},
    }
    return sdk.ClientError(response, "Anything")  # type: ignore[arg-type]


@pytest.mark.parametrize(("code", "message", "on_create", "otherwise"), CASES)
@pytest.mark.parametrize("status", [400, 403, 500, 503])
def test_a_code_leads_to_its_reaction_whatever_the_status(
    code: str, message: str, on_create: type, otherwise: type, status: int
) -> None:
    error = refusal(code, message, status)
    assert type(classify(error, "create x", "ec2:Anything", creating=True)) is on_create
    assert type(classify(error, "delete x", "ec2:Anything", creating=False)) is otherwise


@pytest.mark.fault("F62", "P")
@pytest.mark.parametrize(
    ("error", "on_create", "otherwise"),
    [
        (sdk.ReadTimeoutError(endpoint_url="http://x"), UNKNOWN, LATER),
        (sdk.ConnectionClosedError(endpoint_url="http://x"), UNKNOWN, LATER),
        (sdk.HTTPClientError(error="reset"), UNKNOWN, LATER),
        (ResponseParserError("<html>"), UNKNOWN, LATER),
        (ConnectionResetError("reset"), UNKNOWN, LATER),
        (sdk.ConnectTimeoutError(endpoint_url="http://x"), LATER, LATER),
        (sdk.EndpointConnectionError(endpoint_url="http://x"), LATER, LATER),
        (sdk.NoCredentialsError(), CREDENTIALS, CREDENTIALS),
        (sdk.ParamValidationError(report="Missing VpcId"), REJECTED, REJECTED),
    ],
)
def test_what_breaks_on_the_way_is_unknown_on_a_create_that_was_sent(
    error: Exception, on_create: type, otherwise: type
) -> None:
    assert type(classify(error, "create x", "ec2:Anything", creating=True)) is on_create
    assert type(classify(error, "read x", "ec2:Anything", creating=False)) is otherwise


def test_throttling_hands_on_how_long_to_wait() -> None:
    error = refusal("RequestLimitExceeded", "", 503, **{"retry-after": "7"})
    found = classify(error, "list", "ec2:DescribeVpcs", creating=False)
    assert isinstance(found, errors.Throttled)
    assert found.retry_after == timedelta(seconds=7)


def test_a_missing_permission_is_named_from_the_message_or_the_call() -> None:
    told = "User: arn:x is not authorized to perform: iam:PassRole on resource: arn:y"
    found = classify(refusal("UnauthorizedOperation", told), "x", "ec2:RunInstances", creating=True)
    assert isinstance(found, errors.CredentialsRejected)
    assert found.permission == "iam:PassRole"
    short = "You are not authorized to perform this operation."
    found = classify(refusal("UnauthorizedOperation", short), "x", "ec2:CreateVpc", creating=True)
    assert isinstance(found, errors.CredentialsRejected)
    assert found.permission == "ec2:CreateVpc"
    found = classify(refusal("AuthFailure", "cannot validate"), "x", "ec2:A", creating=True)
    assert isinstance(found, errors.CredentialsRejected)
    assert found.permission == ""


def test_messages_lose_the_encoded_blob_and_their_length() -> None:
    told = f"No. Encoded authorization failure message: {'A1' * 400} End {'x' * 900}"
    text = str(classify(refusal("UnauthorizedOperation", told), "x", "ec2:A", creating=False))
    assert "A1A1" not in text
    assert len(text) < 600


@given(st.text(max_size=40), st.text(max_size=200), st.booleans())
def test_every_code_has_a_class(code: str, message: str, creating: bool) -> None:
    found = classify(refusal(code, message), "x", "ec2:A", creating=creating)
    assert isinstance(found, errors.ProviderError)
    assert found.code == code
