"""A request on the wire, understood: who asks which service for what, in which region."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs

from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request
from moto.core.utils import get_service_model

from holdfast_sandbox.aws.errors import AwsError, Gap

# Signing name in the credential scope -> (name of the SDK's service model, wire format).
SERVICES: Mapping[str, tuple[str, str]] = {
    "ec2": ("ec2", "ec2"),
    "sts": ("sts", "query"),
    "iam": ("iam", "query"),
    "elasticloadbalancing": ("elbv2", "query"),
    "ssm": ("ssm", "json"),
    "pricing": ("pricing", "json"),
    "servicequotas": ("service-quotas", "json"),
    "cloudtrail": ("cloudtrail", "json"),
    "events": ("events", "json"),
    "sqs": ("sqs", "json"),
    "tagging": ("resourcegroupstaggingapi", "json"),
}
READS = ("Describe", "Get", "List", "Simulate", "Lookup", "Decode", "Receive", "Search")


@dataclass(frozen=True, slots=True)
class Signature:
    """The parts of an `Authorization: AWS4-HMAC-SHA256` header."""

    key: str
    day: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    value: str


@dataclass(slots=True)
class Call:
    """One API call. `params` has the SDK's names; `account` is set once the caller is known."""

    service: str
    protocol: str
    region: str
    action: str
    params: dict[str, Any]
    signature: Signature
    request: Request
    body: bytes
    account: str = ""
    caller: str = ""
    request_id: str = ""
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def mutating(self) -> bool:
        """Whether it can change something."""
        return not self.action.startswith(READS)

    @property
    def name(self) -> str:
        """`ec2:RunInstances`: the action as policies spell it."""
        return f"{self.signature.service}:{self.action}"


def signature_of(header: str) -> Signature:
    """Parse the header. Raises AwsError where AWS would."""
    try:
        kind, _, rest = header.partition(" ")
        parts = dict(part.strip().split("=", 1) for part in rest.split(","))
        key, day, region, service, end = parts["Credential"].split("/")
        known = kind == "AWS4-HMAC-SHA256" and end == "aws4_request"
        names = tuple(parts["SignedHeaders"].lower().split(";"))
        found = Signature(key, day, region, service.lower(), names, parts["Signature"])
    except (ValueError, KeyError):
        known = False
    if not known:
        text = "Request is missing Authentication Token"
        raise AwsError("MissingAuthenticationToken", text, 403)
    return found


def protocol_of(environ: Mapping[str, Any]) -> str:
    """The wire format to refuse in, also when nothing else of the request could be read."""
    if "HTTP_X_AMZ_TARGET" in environ:
        return "json"
    scope = str(environ.get("HTTP_AUTHORIZATION", "")).partition(",")[0].split("/")
    return SERVICES.get(scope[3], ("", "query"))[1] if len(scope) > 3 else "query"


def read(environ: dict[str, Any]) -> Call:
    """Understand a WSGI request. Raises AwsError, or Gap for what the sandbox does not have."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length) if length else b""
    environ["wsgi.input"] = BytesIO(body)
    environ.pop("HTTP_X_MOTO_ACCOUNT_ID", None)
    signature = signature_of(environ.get("HTTP_AUTHORIZATION", ""))
    service, protocol = SERVICES.get(signature.service, ("", ""))
    if not service:
        raise Gap("UnknownOperationException", f"service {signature.service} is not emulated")
    request = Request(environ)
    action = _action(environ, body)
    params = _params(service, protocol, action, request)
    return Call(service, protocol, signature.region, action, params, signature, request, body)


def _action(environ: Mapping[str, Any], body: bytes) -> str:
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return str(target).rpartition(".")[2]
    form = parse_qs(body.decode("utf-8", "replace") or environ.get("QUERY_STRING", ""))
    return str(form.get("Action", [""])[0])


def _params(service: str, protocol: str, action: str, request: Request) -> dict[str, Any]:
    model = get_service_model(service)
    if action not in model.operation_names:
        code = "UnknownOperationException" if protocol == "json" else "InvalidAction"
        raise Gap(code, f"The action {action or '(none)'} is not valid for this web service.")
    parser = PROTOCOL_PARSERS["json" if protocol == "json" else protocol](
        model.operation_model(action)
    )
    parsed = parser.parse(
        {
            "method": request.method,
            "values": request.values,
            "headers": request.headers,
            "body": request.get_data(),
            "url_path": request.path,
            "url_params": {},
        }
    )
    return dict(parsed)
