"""The deletion certificate: what was asked, what went, what is left, what was foreign."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from holdfast.model.ids import ClusterId


class CertificateState(StrEnum):
    """Provisional after the first complete empty listing, confirmed after one behind the window."""

    PROVISIONAL = "provisional"
    CONFIRMED = "confirmed"


@dataclass(frozen=True, slots=True)
class RemovedThing:
    """One thing that went."""

    kind: str
    name: str
    id: str
    removed_at: datetime


@dataclass(frozen=True, slots=True)
class DeletionCertificate:
    """Proof of a deletion; `listings` are the times of the complete listings that showed nothing.

    `signature` is base64 Ed25519 of the canonical JSON of all other fields, by the installation.
    """

    cluster: ClusterId
    name: str
    state: CertificateState
    asked_at: datetime
    issued_at: datetime
    removed: tuple[RemovedThing, ...]
    foreign: tuple[str, ...]
    listings: tuple[datetime, ...]
    signature: str = ""

    def canonical(self) -> str:
        """The text that is signed: JSON of all fields but the signature, keys sorted, no spaces."""
        fields = asdict(self)
        del fields["signature"]
        return json.dumps(fields, sort_keys=True, separators=(",", ":"), default=_text)


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
