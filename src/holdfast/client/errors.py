"""What can go wrong when the API is asked.

ClientError
+- Unreachable      no answer: wrong address, nobody listens, TLS, time-out
+- Unintelligible   an answer that is not this API's
+- Refused          an answer that says no
   +- Unauthorized  no or no valid token
   +- NotFound      no such thing
   +- Conflict      the present state forbids it
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass


class ClientError(Exception):
    """Whatever keeps a call from its result."""


class Unreachable(ClientError):
    """There was no answer; the message says at which address and why."""


class Unintelligible(ClientError):
    """Something answered, but not as the API answers."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A field of the request that is wrong."""

    field: str
    description: str


class Refused(ClientError):
    """The API said no. `violations` name the fields that are wrong."""

    def __init__(
        self,
        status: int,
        message: str,
        violations: Sequence[Violation] = (),
        request_id: str | None = None,
    ) -> None:
        self.status = status
        self.message = message
        self.violations = tuple(violations)
        self.request_id = request_id
        details = "".join(f"\n  {one.field}: {one.description}" for one in self.violations)
        super().__init__(message + details)


class Unauthorized(Refused):
    """401."""


class NotFound(Refused):
    """404."""


class Conflict(Refused):
    """409 or 412."""


_CLASSES: dict[int, type[Refused]] = {
    401: Unauthorized,
    404: NotFound,
    409: Conflict,
    412: Conflict,
}


def refusal(status: int, content: bytes) -> ClientError:
    """The exception of an answer with another status than the call expects."""
    try:
        body = json.loads(content)
        violations = [
            Violation(str(one["field"]), str(one["description"]))
            for one in body.get("fieldViolations", [])
        ]
        message = str(body["message"])
        request_id = body.get("requestId")
    except (ValueError, KeyError, TypeError, AttributeError):
        return Unintelligible(f"status {status} without the API's error body; is it a Holdfast?")
    return _CLASSES.get(status, Refused)(status, message, violations, request_id)
