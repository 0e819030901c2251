"""The bodies that the control API takes, checked: shapes, and which settings fit which fault."""

from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

PUBLIC = IPv4Network("198.18.0.0/15")
CALLBACK_ADDRESS = IPv4Address("198.18.0.2")


class Body(BaseModel):
    """What every body has in common: unknown fields are refused, nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FaultKind(StrEnum):
    """What can be made to go wrong."""

    MACHINE_KILL = "machine-kill"
    MACHINE_FREEZE = "machine-freeze"
    MACHINE_CUT = "machine-cut"
    SPOT_NOTICE = "spot-notice"
    STATUS_IMPAIRED = "status-impaired"
    METADATA_OUTAGE = "metadata-outage"
    API_OUTAGE = "api-outage"
    THROTTLE = "throttle"
    LOST_RESPONSE = "lost-response"
    LOST_REQUEST = "lost-request"
    DELAY = "delay"
    ERROR = "error"
    STALE = "stale"
    VISIBILITY_DELAY = "visibility-delay"
    CAPACITY = "capacity"
    QUOTA = "quota"
    PERMISSION = "permission"
    KEY_REVOKED = "key-revoked"
    IMAGE_GONE = "image-gone"
    CLOCK = "clock"


MACHINE = frozenset({"target"})
CALL = frozenset({"account", "region", "service", "action", "subject"})

NEEDED: dict[FaultKind, frozenset[str]] = {
    FaultKind.MACHINE_KILL: MACHINE,
    FaultKind.MACHINE_FREEZE: MACHINE,
    FaultKind.MACHINE_CUT: MACHINE,
    FaultKind.SPOT_NOTICE: MACHINE,
    FaultKind.STATUS_IMPAIRED: MACHINE,
    FaultKind.METADATA_OUTAGE: MACHINE,
    FaultKind.DELAY: frozenset({"delay_seconds"}),
    FaultKind.ERROR: frozenset({"code"}),
    FaultKind.VISIBILITY_DELAY: frozenset({"delay_seconds"}),
    FaultKind.QUOTA: frozenset({"code", "value"}),
    FaultKind.PERMISSION: frozenset({"action"}),
    FaultKind.KEY_REVOKED: frozenset({"key"}),
    FaultKind.IMAGE_GONE: frozenset({"image"}),
    FaultKind.CLOCK: frozenset({"ahead_seconds"}),
}
"""The settings without which a fault says nothing."""

FITTING: dict[FaultKind, frozenset[str]] = {
    FaultKind.MACHINE_FREEZE: frozenset({"seconds"}),
    FaultKind.MACHINE_CUT: frozenset({"seconds"}),
    FaultKind.STATUS_IMPAIRED: frozenset({"seconds"}),
    FaultKind.METADATA_OUTAGE: frozenset({"seconds"}),
    FaultKind.API_OUTAGE: CALL | {"count", "seconds"},
    FaultKind.THROTTLE: CALL | {"count", "seconds"},
    FaultKind.LOST_RESPONSE: CALL | {"count", "seconds"},
    FaultKind.LOST_REQUEST: CALL | {"count", "seconds"},
    FaultKind.DELAY: CALL | {"count", "seconds"},
    FaultKind.ERROR: CALL | {"count", "seconds", "message", "status"},
    FaultKind.STALE: CALL | {"count", "seconds"},
    FaultKind.VISIBILITY_DELAY: CALL | {"seconds"},
    FaultKind.CAPACITY: frozenset(
        {"account", "region", "type", "zone", "market", "count", "seconds"}
    ),
    FaultKind.QUOTA: frozenset({"account", "region", "seconds"}),
    FaultKind.PERMISSION: frozenset({"account", "subject", "seconds"}),
    FaultKind.KEY_REVOKED: frozenset({"seconds"}),
    FaultKind.IMAGE_GONE: frozenset({"region", "seconds"}),
    FaultKind.CLOCK: frozenset({"seconds"}),
}
"""The settings that a fault takes besides the needed ones."""

Text = Annotated[str, Field(min_length=1, max_length=256)]


class FaultBody(Body):
    """A fault. Patterns are globs; `seconds` ends it by itself, `count` after so many calls."""

    kind: FaultKind
    target: Text | None = None  # a machine's instance id
    account: Text | None = None
    region: Text | None = None
    service: Text | None = None
    action: Text | None = None  # of the API; for a permission as policies write it
    subject: Text | None = None  # an id, name or value that a call mentions
    type: Text | None = None
    zone: Text | None = None
    market: Literal["on-demand", "spot"] | None = None
    code: Text | None = None  # the cloud's error code, or a quota's code
    message: Text | None = None
    status: Annotated[int, Field(ge=400, le=599)] | None = None
    value: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    key: Text | None = None  # an access key id
    image: Text | None = None
    delay_seconds: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] | None = None
    ahead_seconds: Annotated[float, Field(ge=-1e9, le=1e9, allow_inf_nan=False)] | None = None
    count: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    seconds: Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        given = self.model_fields_set - {"kind"}
        given = {name for name in given if getattr(self, name) is not None}
        needed = NEEDED.get(self.kind, frozenset())
        fitting = needed | FITTING.get(self.kind, frozenset())
        takes = f"{self.kind} takes {', '.join(sorted(fitting)) or 'no settings'}"
        if strange := given - fitting:
            raise ValueError(f"{', '.join(sorted(strange))}: does not fit; {takes}")
        if missing := needed - given:
            raise ValueError(f"{', '.join(sorted(missing))}: missing; {takes}")
        return self


class CallbackBody(Body):
    """A loopback server of the host that machines shall reach at a public sandbox address."""

    address: IPv4Address = CALLBACK_ADDRESS
    port: Annotated[int, Field(ge=1, le=65535)]
    target: str

    @field_validator("address")
    @classmethod
    def _is_public(cls, address: IPv4Address) -> IPv4Address:
        if address not in PUBLIC:
            raise ValueError(f"{address} is not a public sandbox address ({PUBLIC})")
        return address

    @field_validator("target")
    @classmethod
    def _is_loopback(cls, target: str) -> str:
        host, _, port = target.partition(":")
        if host != "127.0.0.1" or not (port.isascii() and port.isdigit()):
            raise ValueError("the target must be 127.0.0.1:PORT")
        if not 1 <= int(port) <= 65535:
            raise ValueError(f"{port} is not a port")
        return target


class ForeignBody(Body):
    """A VM that someone else starts: in the VPC of a security group, or in a VPC."""

    security_group: Annotated[str, Field(pattern=r"^sg-[0-9a-f]+$")] | None = None
    vpc: Annotated[str, Field(pattern=r"^vpc-[0-9a-f]+$")] | None = None
    name: Text = "foreign"
    region: Text | None = None
    type: Text = "t3.micro"

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.security_group is None) == (self.vpc is None):
            raise ValueError("give either security_group or vpc")
        return self


class AccountBody(Body):
    """A further account; the cloud chooses its number when none is given."""

    account: Annotated[str, Field(pattern=r"^\d{12}$")] | None = None


class CommandBody(Body):
    """A command to run inside a machine."""

    command: Annotated[list[str], Field(min_length=1)]
    timeout: Annotated[float, Field(gt=0, le=300, allow_inf_nan=False)] = 30
