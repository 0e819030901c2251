"""Verifies an EC2 instance identity document.

The machine hands over the document with one or two signatures from its metadata service: `rsa2048`
(CMS, the document inside) or `signature` (plain RSA with SHA-256). The certificates that may have
signed are a setting: AWS publishes one per region and method. Keys below 2048 bits and the DSA
signature `pkcs7` are not accepted.
Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/verify-iid.html
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives import hashes

from holdfast.identity import cms
from holdfast.identity.cms import NotVerified

_FIELDS = ("accountId", "region", "instanceId", "privateIp", "instanceType", "imageId")


@dataclass(frozen=True, slots=True)
class Document:
    """What the cloud says of a machine. `pending_time` is when it was launched last."""

    account: str
    region: str
    instance: str
    private_ip: str
    instance_type: str
    image: str
    pending_time: datetime


def verify_document(proof: Mapping[str, str], certificates_pem: bytes, now: datetime) -> Document:
    """The document, once a configured certificate that is valid now has signed it.

    proof  base64 texts: "rsa2048" (CMS), else "document" and its "signature"

    Raises NotVerified with the reason.
    """
    certificates = cms.valid(certificates_pem, now)
    if "rsa2048" in proof:
        return _read(cms.content(_decoded(proof, "rsa2048"), certificates))
    if "signature" not in proof:
        raise NotVerified("the document is not signed")
    document, signature = _decoded(proof, "document"), _decoded(proof, "signature")
    if not any(cms.is_signed(c, signature, document, hashes.SHA256()) for c in certificates):
        raise NotVerified("no configured certificate signed this document")
    return _read(document)


def _decoded(proof: Mapping[str, str], name: str) -> bytes:
    try:
        return base64.b64decode("".join(proof.get(name, "").split()), validate=True)
    except (ValueError, binascii.Error) as error:
        raise NotVerified(f"{name} is not base64") from error


def _read(document: bytes) -> Document:
    try:
        fields: dict[str, Any] = json.loads(document)
        account, region, instance, private_ip, instance_type, image = (
            str(fields[name]) for name in _FIELDS
        )
        pending = datetime.fromisoformat(str(fields["pendingTime"]).replace("Z", "+00:00"))
    except (ValueError, KeyError, TypeError) as error:
        raise NotVerified("the document lacks a field of an identity document") from error
    if pending.tzinfo is None:
        raise NotVerified("the document's pendingTime has no time zone")
    return Document(account, region, instance, private_ip, instance_type, image, pending)
