"""Verifies an Azure attested document.

The machine fetches it from its metadata service with a nonce that the platform derives from the
machine's own. It is a CMS message; the certificates that may have signed are a setting.
Source: https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service#attested-data
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from holdfast.identity import cms
from holdfast.identity.cms import NotVerified

TIME = "%m/%d/%y %H:%M:%S %z"  # "08/22/18 22:51:49 -0000"
DIGITS = 10  # as many as the service takes for certain


@dataclass(frozen=True, slots=True)
class Attested:
    """What the cloud says of a machine. `created_at` is when the document was made."""

    nonce: str
    subscription: str
    instance: str
    created_at: datetime


def nonce_digits(nonce: str) -> str:
    """The nonce in the form that the metadata service takes: ten digits of its hash."""
    number = int.from_bytes(hashlib.sha256(nonce.encode()).digest(), "big")
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def verify_attested(proof: Mapping[str, str], certificates_pem: bytes, now: datetime) -> Attested:
    """The document, once a configured certificate that is valid now has signed it and it is in
    time.

    proof  "signature", the base64 of the CMS message with the document inside

    Raises NotVerified with the reason.
    """
    certificates = cms.valid(certificates_pem, now)
    try:
        message = base64.b64decode("".join(proof.get("signature", "").split()), validate=True)
    except (ValueError, binascii.Error) as error:
        raise NotVerified("the signature is not base64") from error
    return _read(cms.content(message, certificates), now)


def _read(document: bytes, now: datetime) -> Attested:
    try:
        fields: dict[str, Any] = json.loads(document)
        times = fields["timeStamp"]
        made, until = (_moment(times[name]) for name in ("createdOn", "expiresOn"))
        found = Attested(
            str(fields["nonce"]), str(fields["subscriptionId"]), str(fields["vmId"]), made
        )
    except (ValueError, KeyError, TypeError) as error:
        raise NotVerified("the document lacks a field of an attested document") from error
    if not made - cms.LEEWAY <= now <= until + cms.LEEWAY:
        raise NotVerified(f"the document is valid from {made:%FT%TZ} to {until:%FT%TZ}")
    return found


def _moment(text: str) -> datetime:
    return datetime.strptime(text, TIME).astimezone(UTC)
