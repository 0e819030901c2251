"""The error shape of v1, and the exception by which a translation refuses a request."""

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import Field

from holdfast.wire.document import Document


class FieldViolation(Document):
    """One field that is wrong, by its path in the request: `nodes[0].shape`."""

    field: str
    description: str


class ErrorBody(Document):
    """The body of every 4xx and 5xx. `request_id` finds the request in the server's log."""

    message: str
    field_violations: list[FieldViolation] = Field(default_factory=list)
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Wrong:
    """A field that is wrong, before it is on the wire."""

    field: str
    description: str


class Invalid(ValueError):
    """The request cannot be meant. `wrong` names every field, never a secret's value."""

    def __init__(self, wrong: Iterable[Wrong]) -> None:
        self.wrong = tuple(wrong)
        super().__init__("; ".join(f"{one.field}: {one.description}" for one in self.wrong))
