"""The error tree of the provider port: the class says what to do next.

    ProviderError
    +- Unavailable           same intent, same key, backoff with jitter
    +- Throttled             slow the whole bucket, obey retry_after
    +- OutcomeUnknown        look up by key, tag, operation; never create before that
    +- CapacityUnavailable   mark the offering, next candidate now
    +- QuotaExceeded         stop that kind for hours, shrink to what fits, say who uses it
    +- CredentialsRejected   condition naming the permission; probe again or on a new key
    +- NotFound              delete: done; recorded id: absent only after the consistency window
    +- Conflict              read it: ours -> adopt, else fail naming the owner
    +- DependencyHeld        ours -> delete first; foreign -> fail visibly
    +- RequestRejected       our bug or the user's input: no retry, show field and raw code

Each cloud's codes are mapped to these classes in its own `errors.py`; nothing else parses a
vendor's message.
"""

from datetime import timedelta

from holdfast.model.observed import Foreign


class ProviderError(Exception):
    """A call to a cloud failed.

    attempted  what was tried on which name: "create subnet/eu-central-1a"
    code       the cloud's own code, as it came: "InsufficientInstanceCapacity"
    detail     the cloud's own words, as they came, without secrets
    """

    def __init__(self, attempted: str, code: str, detail: str) -> None:
        super().__init__(f"{attempted}: {code}: {detail}" if code else f"{attempted}: {detail}")
        self.attempted = attempted
        self.code = code
        self.detail = detail


class Unavailable(ProviderError):
    """The cloud cannot do it now: same intent, same key, later."""


class Throttled(ProviderError):
    """Too many calls: the whole bucket slows down."""

    def __init__(
        self, attempted: str, code: str, detail: str, retry_after: timedelta | None = None
    ) -> None:
        super().__init__(attempted, code, detail)
        self.retry_after = retry_after


class OutcomeUnknown(ProviderError):
    """It may have happened: look it up before anything is made again."""


class CapacityUnavailable(ProviderError):
    """That offering is sold out now: mark it, take the next candidate."""


class QuotaExceeded(ProviderError):
    """The account's limit: stop that kind for hours."""


class CredentialsRejected(ProviderError):
    """The key is not valid or lacks a permission, named where the cloud names it."""

    def __init__(self, attempted: str, code: str, detail: str, permission: str = "") -> None:
        super().__init__(attempted, code, detail)
        self.permission = permission


class NotFound(ProviderError):
    """The cloud does not know the thing, now."""


class Conflict(ProviderError):
    """A thing of that name or place is there already."""


class DependencyHeld(ProviderError):
    """It cannot go while others use it. `blockers` are the foreign ones, as far as found."""

    def __init__(
        self, attempted: str, code: str, detail: str, blockers: tuple[Foreign, ...] = ()
    ) -> None:
        super().__init__(attempted, code, detail)
        self.blockers = blockers


class RequestRejected(ProviderError):
    """The request is wrong: our bug or the user's input. Repeating it is of no use."""
