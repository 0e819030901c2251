"""The AWS SDK behind one coroutine: threads, time-outs, retries off, rate, error classes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import Any

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from holdfast.providers import errors
from holdfast.providers.aws.errors import classify
from holdfast.providers.limits import BucketKey, Budget, Shared

CONNECT_TIMEOUT = 5  # seconds
READ_TIMEOUT = 30  # seconds; RunInstances of one machine answers within 10
SKEW_SHOWN = timedelta(seconds=30)
PAGES_AT_MOST = 1000
THREADS_AT_MOST = 32

# Names of services in policies, where they differ from the SDK's.
POLICY_PREFIX = {"service-quotas": "servicequotas"}
# Source: AWS EC2 API reference, "Request throttling": per action, account and region.
READING, CHANGING, LAUNCHING = Budget(100, 20), Budget(50, 5), Budget(5, 2)
OTHERS = Budget(20, 5)
READS = ("Describe", "Get", "List", "Simulate")

# All that the SDK raises; what it lets through from below are ValueError and OSError.
FAILURES = (ClientError, BotoCoreError, ResponseParserError, ValueError, OSError)

Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """An access key. `session` only for temporary ones."""

    id: str
    secret: str = field(repr=False)
    session: str | None = field(default=None, repr=False)


class Sessions:
    """Makes SDK clients. `endpoint` is the URL that answers for all services; empty: AWS itself.

    One session for all accounts, so that the service models (tens of MB) are loaded once.
    """

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint or None
        self._lock = Lock()
        self._session = boto3.session.Session()

    def client(self, key: Key, region: str, service: str) -> Any:
        """A new client. Costs 0.1 s of CPU; the SDK does not allow two threads in here at once."""
        config = Config(  # type: ignore[call-arg]  # the stubs lack the last one
            retries={"total_max_attempts": 1},
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            max_pool_connections=THREADS_AT_MOST,
            user_agent_extra="holdfast",
            ignore_configured_endpoint_urls=True,
        )
        with self._lock:
            return self._session.client(  # type: ignore[call-overload]
                service,
                region_name=region,
                endpoint_url=self._endpoint,
                aws_access_key_id=key.id,
                aws_secret_access_key=key.secret,
                aws_session_token=key.session,
                config=config,
            )


@dataclass(frozen=True, slots=True)
class Call:
    """One API call.

    service, action  "ec2", "RunInstances"
    attempted        what for, for people: "create aws/network"
    creating         True where a repeat may make a second thing
    urgent           True for what must not wait behind reads
    """

    service: str
    action: str
    region: str
    attempted: str
    params: Mapping[str, Any] = field(default_factory=dict)
    creating: bool = False
    urgent: bool = False

    @property
    def permission(self) -> str:
        """The call as policies spell it."""
        return f"{POLICY_PREFIX.get(self.service, self.service)}:{self.action}"

    @property
    def budget(self) -> Budget:
        """How fast AWS lets this be called."""
        if self.service != "ec2":
            return OTHERS
        if self.action == "RunInstances":
            return LAUNCHING
        return READING if self.action.startswith(READS) else CHANGING


def home(region: str) -> str:
    """The region where the global services (IAM, STS, the list of regions) of its part answer."""
    if region.startswith("cn-"):
        return "cn-north-1"
    return "us-gov-west-1" if region.startswith("us-gov-") else "us-east-1"


def whole(page: Answer, result: str, call: Call) -> list[dict[str, Any]]:
    """The list of an answer. Raises Unavailable where it is missing: nothing is proven then."""
    if result not in page:
        detail = f"{call.action}: the answer has no {result}"
        raise errors.Unavailable(call.attempted, "", detail)
    return list(page[result])


class Client:
    """Calls of one key; one SDK client for each region and service, kept."""

    def __init__(self, key: Key, sessions: Sessions, shared: Shared) -> None:
        self._key = key
        self._sessions = sessions
        self._executor = shared.executor
        self._limits = shared.limits
        self._clock = shared.clock
        self._made: dict[tuple[str, str], Any] = {}  # by region and service
        self._lock = Lock()
        self.account = key.id  # for the rate: the account's own id once it is known

    async def call(self, call: Call) -> Answer:
        """Make one call, exactly once. Raises a class of `providers.errors`."""
        bucket = BucketKey(self.account, call.region, call.permission)
        await self._limits.acquire(bucket, call.budget, urgent=call.urgent)
        loop = asyncio.get_running_loop()
        try:
            answer: Answer = await loop.run_in_executor(self._executor, self._blocking, call)
        except FAILURES as error:
            refused = classify(error, call.attempted, call.permission, creating=call.creating)
            if isinstance(refused, errors.Throttled):
                self._limits.slow(bucket, call.budget, refused.retry_after)
            raise self._explained(refused, error) from error
        self._limits.went_well(bucket)
        return answer

    async def pages(self, call: Call, token: str = "NextToken") -> AsyncIterator[Answer]:  # noqa: S107
        """Every page of a listing. Raises Unavailable for a listing that does not end."""
        params = dict(call.params)
        used: set[str] = set()
        while True:
            page = await self.call(
                Call(call.service, call.action, call.region, call.attempted, params)
            )
            yield page
            following = page.get(token)
            if not following:
                return
            if following in used or len(used) >= PAGES_AT_MOST:
                detail = f"{call.action}: the same page came twice; the listing is not complete"
                raise errors.Unavailable(call.attempted, "", detail)
            used.add(following)
            params[token] = following

    async def items(self, call: Call, result: str) -> list[dict[str, Any]]:
        """All things of a paged listing; `result` names the list in each page.

        Raises Unavailable for a page without the list: an error in the guise of success.
        """
        found: list[dict[str, Any]] = []
        async for page in self.pages(call):
            found += whole(page, result, call)
        return found

    def _blocking(self, call: Call) -> Answer:
        client = self._client(call.region, call.service)
        answer: Answer = getattr(client, xform_name(call.action))(**call.params)
        return answer

    def _client(self, region: str, service: str) -> Any:
        place = (region, service)
        if place not in self._made:
            with self._lock:
                if place not in self._made:
                    self._made[place] = self._sessions.client(self._key, region, service)
        return self._made[place]

    def _explained(self, refused: errors.ProviderError, error: Exception) -> errors.ProviderError:
        """A refused key with clocks that differ: say so first, since AWS says "bad credentials"."""
        if not isinstance(refused, errors.CredentialsRejected) or refused.permission:
            return refused
        skew = self._skew(error)
        if skew is None or abs(skew) < SKEW_SHOWN:
            return refused
        side = "ahead of" if skew > timedelta(0) else "behind"
        seconds = int(abs(skew).total_seconds())
        detail = (
            f"this machine's clock is {seconds} s {side} the cloud's; AWS refuses signatures "
            f"that are more than 300 s off. Its words: {refused.detail}"
        )
        return errors.CredentialsRejected(refused.attempted, refused.code, detail)

    def _skew(self, error: Exception) -> timedelta | None:
        response = error.response if isinstance(error, ClientError) else {}
        told = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
        with contextlib.suppress(ValueError, TypeError):
            return self._clock.now() - parsedate_to_datetime(told)
        return None
