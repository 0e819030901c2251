"""What agents send, and what they are answered: strict about sizes, lenient about new fields.

Bodies come from machines, not from people, and are parsed only after their signature was verified,
except the first one, which has none. `at` is the machine's own clock in Unix milliseconds, so
that a skewed clock is refused and named.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from holdfast.wire.document import Document

LONGEST_LOG = 8192
LAST_MOMENT = 253_402_300_799_000  # the end of the year 9999

Millis = Annotated[int, Field(ge=0, le=LAST_MOMENT)]
Short = Annotated[str, Field(max_length=256)]
Text = Annotated[str, Field(max_length=2048)]
Seconds = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]


class Malformed(ValueError):
    """Not one of the shapes; the text names the fields, never their values."""


class FirstContact(Document):
    """The one unsigned message: a nonce, a key, and the cloud's word for who this is.

    `proof` is base64 texts: "document", with "rsa2048" or "signature".
    """

    nonce: Short
    public_key: Annotated[str, Field(max_length=1024)]
    cloud: Short
    proof: dict[Short, Annotated[str, Field(max_length=16384)]] = Field(max_length=8)
    boot_id: Short
    at: Millis


class MayJoin(Document):
    """What shall I be, and when?"""

    kind: Literal["may-join"]
    at: Millis


class Step(Document):
    """A step on the way was done."""

    kind: Literal["step"]
    at: Millis
    name: Short
    detail: Text = ""
    seconds: Seconds = 0.0


class Joined(Document):
    """This machine is a node now."""

    kind: Literal["joined"]
    at: Millis
    seconds: Seconds
    node_name: Short


class Failed(Document):
    """A step did not succeed; the agent tries again."""

    kind: Literal["failed"]
    at: Millis
    step: Short
    message: Text
    log: Annotated[str, Field(max_length=LONGEST_LOG)] = ""


class Health(Document):
    """How the machine is. What an agent could not find out is missing."""

    disk_free_ratio: Annotated[float, Field(ge=0, le=1)] | None = None
    memory_available_mib: Annotated[int, Field(ge=0)] | None = None
    load: Annotated[float, Field(ge=0)] | None = None
    clock_skew_seconds: float | None = None
    kubelet: bool | None = None
    api: bool | None = None


class Heartbeat(Document):
    """This machine lives."""

    kind: Literal["heartbeat"]
    at: Millis
    boot_id: Short = ""
    health: Health = Field(default_factory=Health)


class SpotNotice(Document):
    """The cloud announced this machine's end, or that it has become likely ("rebalance")."""

    kind: Literal["spot-notice"]
    at: Millis
    action: Short
    time: Short = ""


class OrderDone(Document):
    """What became of an order."""

    kind: Literal["order-done"]
    at: Millis
    order_id: Short
    ok: bool
    message: Text = ""


CallBack = MayJoin | Step | Joined | Failed | Heartbeat | SpotNotice | OrderDone

_CALL_BACK: TypeAdapter[CallBack] = TypeAdapter(Annotated[CallBack, Field(discriminator="kind")])


class Contacted(Document):
    """The answer to a first contact. `packages`: the apt repository of Kubernetes."""

    cluster_id: str
    hostname: str
    role: str
    kubernetes_version: str
    packages: str
    order_key: str


def first_contact(body: bytes) -> FirstContact:
    """Raises Malformed."""
    try:
        return FirstContact.model_validate_json(body)
    except ValidationError as error:
        raise _malformed(error) from None


def call_back(body: bytes) -> CallBack:
    """Raises Malformed."""
    try:
        return _CALL_BACK.validate_json(body)
    except ValidationError as error:
        raise _malformed(error) from None


def moment(at: int) -> datetime:
    """The machine's clock as a time."""
    return datetime.fromtimestamp(at / 1000, UTC)


def _malformed(error: ValidationError) -> Malformed:
    # Without pydantic's own text, which quotes the input.
    fields = {".".join(str(part) for part in one["loc"]) or "body" for one in error.errors()}
    return Malformed(f"malformed: {', '.join(sorted(fields))[:200]}")
