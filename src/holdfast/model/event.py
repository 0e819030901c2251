"""What happened, for users: reason, message, subject."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from holdfast.model.ids import ClusterId


class Severity(StrEnum):
    """v1 knows these two."""

    INFO = "info"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event before the store numbered it. `reason` is one CamelCase word, stable for scripts."""

    reason: str
    message: str
    subject: str = ""
    severity: Severity = Severity.INFO


@dataclass(frozen=True, slots=True)
class Event:
    """An event of one cluster; `seq` counts from 1 within the cluster, without gaps."""

    cluster: ClusterId
    seq: int
    at: datetime
    reason: str
    message: str
    subject: str
    severity: Severity
