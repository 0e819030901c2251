"""Identity documents of the simulated clouds, signed as AWS signs them, by a key of our own.

The key is made once a process, by real chance: it decides nothing and is in no transcript. Its
signatures are real, so that the platform's own check is what lets a machine in.
"""

import base64
import json
from collections.abc import Mapping
from datetime import timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from holdfast.simulation.machines import Guest
from holdfast.simulation.time import EPOCH

YEARS = timedelta(days=3650)


@cache
def _signer() -> tuple[rsa.RSAPrivateKey, bytes]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "simulated region")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(EPOCH - YEARS)
        .not_valid_after(EPOCH + YEARS)
        .sign(key, hashes.SHA256())
    )
    return key, certificate.public_bytes(serialization.Encoding.PEM)


def certificates() -> bytes:
    """PEM of what the platform checks documents with."""
    return _signer()[1]


def document(guest: Guest, **changes: str) -> bytes:
    """What the cloud says of a machine; `changes` are a forger's."""
    offering = guest.resource.offering
    fields = {
        "accountId": guest.site.account,
        "region": guest.site.region,
        "instanceId": guest.thing,
        "privateIp": guest.private_ip,
        "instanceType": offering.instance_type,
        "imageId": guest.resource.image,
        "pendingTime": guest.launched_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return json.dumps({**fields, **changes}, sort_keys=True).encode()


def proof(guest: Guest, **changes: str) -> Mapping[str, str]:
    """The document with its signature, base64, as the agent sends them."""
    text = document(guest, **changes)
    signature = _signer()[0].sign(text, padding.PKCS1v15(), hashes.SHA256())
    return {
        "document": base64.b64encode(text).decode(),
        "signature": base64.b64encode(signature).decode(),
    }
