"""Verifies a Google Compute Engine identity token.

The machine fetches it from its metadata service for an audience that holds its nonce, so that a
token asked for by anybody else proves nothing here. The certificates that may have signed are a
setting: Google publishes them.
Source: https://cloud.google.com/compute/docs/instances/verifying-instance-identity
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives import hashes

from holdfast.identity import cms
from holdfast.identity.cms import NotVerified

ISSUERS = frozenset({"https://accounts.google.com", "accounts.google.com"})


@dataclass(frozen=True, slots=True)
class Token:
    """What the cloud says of a machine. `created_at` is when the machine was made."""

    audience: str
    project: str
    zone: str
    instance: str
    hostname: str
    created_at: datetime


def audience(nonce: str) -> str:
    """What a machine asks its token for."""
    return f"holdfast/{nonce}"


def verify_token(proof: Mapping[str, str], certificates_pem: bytes, now: datetime) -> Token:
    """The token, once a configured certificate that is valid now has signed it and it is in time.

    proof  "token", in the compact form of RFC 7515

    Raises NotVerified with the reason.
    """
    certificates = cms.valid(certificates_pem, now)
    parts = proof.get("token", "").split(".")
    if len(parts) != 3:
        raise NotVerified("the token has not three parts")
    header, claims = _json(parts[0]), _json(parts[1])
    if header.get("alg") != "RS256":
        raise NotVerified("the token is not signed with RS256")
    signature, signed = _bytes(parts[2]), f"{parts[0]}.{parts[1]}".encode()
    if not any(cms.is_signed(c, signature, signed, hashes.SHA256()) for c in certificates):
        raise NotVerified("no configured certificate signed this token")
    if claims.get("iss") not in ISSUERS:
        raise NotVerified("the token is not of Google's")
    return _read(claims, now)


def _read(claims: Mapping[str, Any], now: datetime) -> Token:
    try:
        issued, until = (datetime.fromtimestamp(claims[name], UTC) for name in ("iat", "exp"))
        engine = claims["google"]["compute_engine"]
        created = datetime.fromtimestamp(engine["instance_creation_timestamp"], UTC)
        token = Token(
            audience=str(claims["aud"]),
            project=str(engine["project_id"]),
            zone=str(engine["zone"]),
            instance=str(engine["instance_id"]),
            hostname=str(engine["instance_name"]),
            created_at=created,
        )
    except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise NotVerified("the token lacks a claim of a full identity token") from error
    if not issued - cms.LEEWAY <= now <= until + cms.LEEWAY:
        raise NotVerified(f"the token is valid from {issued:%FT%TZ} to {until:%FT%TZ}")
    return token


def _json(part: str) -> dict[str, Any]:
    try:
        found = json.loads(_bytes(part))
    except ValueError as error:
        raise NotVerified("the token is not JSON inside") from error
    if not isinstance(found, dict):
        raise NotVerified("the token is not JSON inside")
    return found


def _bytes(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise NotVerified("the token is not base64url") from error
