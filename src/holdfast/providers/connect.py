"""From credentials to a Provider; imports a cloud inside its branch, since an SDK costs seconds."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.clock import Clock
from holdfast.model.offering import Cloud
from holdfast.providers.limits import Limits, Shared
from holdfast.providers.port import Provider

if TYPE_CHECKING:
    from holdfast.providers.aws.client import Sessions

THREADS = 32  # at once, over all clouds: their SDKs block
KEPT = 256  # providers


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the clouds answer. Empty: the real ones. A URL: that server (the sandbox)."""

    aws: str = ""


class Connections:
    """The providers of one process: threads, rate and SDK clients are shared between passes."""

    def __init__(self, endpoints: Endpoints, clock: Clock) -> None:
        self._endpoints = endpoints
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="cloud")
        self._shared = Shared(self._executor, Limits(clock), clock)
        self._providers: OrderedDict[str, Provider] = OrderedDict()
        self._aws: Sessions | None = None

    def provider(self, cloud: Cloud, secret: Mapping[str, str]) -> Provider:
        """The provider of one account; the same one for the same secret. Makes no call.

        `secret` has the keys of the v1 contract for that cloud. Raises ValueError for a cloud
        whose driver is not part of this release, CredentialsRejected for a field that is missing.
        """
        place = _place(cloud, secret)
        found = self._providers.pop(place, None)
        self._providers[place] = found or self._connect(cloud, secret)
        while len(self._providers) > KEPT:
            self._providers.popitem(last=False)
        return self._providers[place]

    def close(self) -> None:
        """Let the threads end; calls under way are finished, waiting ones are dropped."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _connect(self, cloud: Cloud, secret: Mapping[str, str]) -> Provider:
        if cloud is Cloud.AWS:
            from holdfast.providers.aws.client import Sessions  # noqa: PLC0415
            from holdfast.providers.aws.provider import connect  # noqa: PLC0415

            self._aws = self._aws or Sessions(self._endpoints.aws)
            return connect(secret, self._aws, self._shared)
        message = f"cloud {cloud.value}: this release has no driver for it (available: aws)"
        raise ValueError(message)


def _place(cloud: Cloud, secret: Mapping[str, str]) -> str:
    """Tells secrets apart without keeping them as keys."""
    text = json.dumps([cloud.value, sorted(secret.items())])
    return hashlib.sha256(text.encode()).hexdigest()
