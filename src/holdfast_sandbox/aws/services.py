"""Which service is answered by what: EC2 by our tables, six small ones by us, the rest by moto."""

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.model import ServiceModel
from moto.core.responses import ActionResult
from moto.core.serialize import XFormedAttributePicker, get_serializer_class
from moto.core.utils import get_service_model
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from holdfast_sandbox.aws.answers import (
    audit,
    balancers,
    iam,
    market,
    parameters,
    servicequotas,
    tagging,
    targets,
)
from holdfast_sandbox.aws.call import Call
from holdfast_sandbox.aws.ec2 import actions
from holdfast_sandbox.aws.ec2.ask import Ask
from holdfast_sandbox.aws.ec2.backend import backend_of
from holdfast_sandbox.aws.errors import Answer, AwsError, Gap
from holdfast_sandbox.aws.identities import Identity
from holdfast_sandbox.aws.world import World

Own = Callable[[Call, Identity, World], dict[str, Any]]

OWN: Mapping[str, Own] = {
    **parameters.ANSWERS,
    **market.ANSWERS,
    **servicequotas.ANSWERS,
    **audit.ANSWERS,
    **iam.ANSWERS,
    **balancers.ANSWERS,
    **targets.ANSWERS,
    **tagging.ANSWERS,
}
# Services that moto answers; of those not named here nothing is known.
BY_MOTO = ("iam", "sts", "events", "sqs", "resourcegroupstaggingapi")
CACHED = frozenset({"DescribeInstanceTypes", "DescribeInstanceTypeOfferings", "GetProducts"})
CACHE_SIZE = 512


class Services:
    """Answers authorised calls; keeps what is the same for everybody (types take seconds)."""

    def __init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._cache: dict[tuple[str, str, str], Answer] = {}

    def answer(self, call: Call, identity: Identity, world: World) -> Answer:
        """The answer to one call. Raises AwsError for a refusal, Gap for what is not there."""
        if call.action not in CACHED:
            return self._fresh(call, identity, world)
        key = (call.region, call.name, repr(sorted(call.params.items(), key=str)))
        if key not in self._cache:
            fresh = self._fresh(call, identity, world)
            if b"NextToken" in fresh.body or b"nextToken" in fresh.body:
                return fresh
            if len(self._cache) >= CACHE_SIZE:
                del self._cache[next(iter(self._cache))]
            self._cache[key] = fresh
        return self._cache[key]

    def _fresh(self, call: Call, identity: Identity, world: World) -> Answer:
        if call.service == "ec2":
            return actions.answer(Ask(call, world, backend_of(call.account, call.region)))
        if call.name in OWN:
            return written(call, _own(call, identity, world))
        if call.service not in BY_MOTO:
            raise Gap("UnknownOperationException", f"{call.name} is not emulated.")
        iam.check(call, identity)
        return self._by_moto(call, world)

    def _by_moto(self, call: Call, world: World) -> Answer:
        environ = call.request.environ
        environ["wsgi.input"] = BytesIO(call.body)
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = call.account
        kept: dict[str, Any] = {}

        def start(status: str, headers: list[tuple[str, str]], *_: object) -> None:
            kept.update(status=int(status[:3]), headers=dict(headers))

        body = b"".join(self._moto(environ, start))
        headers = {k: v for k, v in kept["headers"].items() if k.lower() != "content-length"}
        if kept["status"] < 300:
            iam.after(call, world)
        return Answer(kept["status"], body, headers)


def _own(call: Call, identity: Identity, world: World) -> dict[str, Any]:
    try:
        return OWN[call.name](call, identity, world)
    except ServiceException as error:
        raise AwsError(error.code, error.message) from error


def written(call: Call, result: dict[str, Any]) -> Answer:
    """A result in the SDK's shape as the wire format of its service has it."""
    model: ServiceModel = get_service_model(call.service)
    serializer = get_serializer_class(call.service, call.protocol)(
        operation_model=model.operation_model(call.action),
        pretty_print=False,
        value_picker=XFormedAttributePicker(),
    )
    done = serializer.serialize(ActionResult(result).result)
    body = done["body"].encode() if isinstance(done["body"], str) else done["body"]
    headers = {str(name): str(value) for name, value in done["headers"].items()}
    headers.setdefault("Content-Type", "application/x-amz-json-1.1")
    return Answer(int(done["status_code"]), body, headers)
