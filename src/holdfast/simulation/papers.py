"""What the simulated clouds say of their machines, signed as the real ones sign, by our own key.

aws    instance identity document with a plain signature
gcp    identity token for an audience
azure  attested document as a CMS message
do     nothing signed: the challenge tag, as the metadata service shows it

The key is made once a process, by real chance: it decides nothing and is in no transcript. Its
signatures are real, so that the platform's own check is what lets a machine in.
"""

import base64
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from holdfast.identity import azure, gcp
from holdfast.model.offering import Cloud
from holdfast.simulation.machines import Guest
from holdfast.simulation.time import EPOCH

YEARS = timedelta(days=3650)
LIFE = timedelta(hours=1)


@cache
def _signer() -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
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
    return key, certificate


def certificates() -> Mapping[Cloud, bytes]:
    """PEM of what the platform checks documents with."""
    pem = _signer()[1].public_bytes(serialization.Encoding.PEM)
    return dict.fromkeys((Cloud.AWS, Cloud.GCP, Cloud.AZURE), pem)


def proof(guest: Guest, challenge: str, now: datetime, **changes: str) -> Mapping[str, str]:
    """The cloud's word as the agent sends it; `changes` are a forger's.

    `challenge` is what the machine's metadata shows of the challenge tag; empty without one.
    """
    match guest.resource.offering.cloud:
        case Cloud.AWS:
            return _document(guest, changes)
        case Cloud.GCP:
            return _token(guest, now, changes)
        case Cloud.AZURE:
            return _attested(guest, now, changes)
        case Cloud.DO:
            return {"challenge": challenge, **changes} if challenge or changes else {}


def _document(guest: Guest, changes: Mapping[str, str]) -> Mapping[str, str]:
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
    text = json.dumps({**fields, **changes}, sort_keys=True).encode()
    return {
        "document": base64.b64encode(text).decode(),
        "signature": base64.b64encode(_signed(text)).decode(),
    }


def _token(guest: Guest, now: datetime, changes: Mapping[str, str]) -> Mapping[str, str]:
    engine = {
        "project_id": guest.site.account,
        "zone": guest.resource.offering.zone,
        "instance_id": guest.thing,
        "instance_name": guest.resource.hostname,
        "instance_creation_timestamp": int(guest.launched_at.timestamp()),
    }
    claims = {
        "iss": "https://accounts.google.com",
        "aud": gcp.audience(guest.settings["nonce"]),
        "iat": int(now.timestamp()),
        "exp": int((now + LIFE).timestamp()),
        "google": {"compute_engine": {**engine, **changes}},
    }
    head = _compact({"alg": "RS256", "typ": "JWT"}) + "." + _compact(claims)
    return {"token": f"{head}.{_url(_signed(head.encode()))}"}


def _attested(guest: Guest, now: datetime, changes: Mapping[str, str]) -> Mapping[str, str]:
    fields = {
        "nonce": azure.nonce_digits(guest.settings["nonce"]),
        "subscriptionId": guest.site.account,
        "vmId": guest.thing,
        **changes,
        "timeStamp": {
            "createdOn": now.strftime(azure.TIME),
            "expiresOn": (now + LIFE).strftime(azure.TIME),
        },
    }
    key, certificate = _signer()
    builder = pkcs7.PKCS7SignatureBuilder().set_data(json.dumps(fields, sort_keys=True).encode())
    options = [pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoCerts]
    message = builder.add_signer(certificate, key, hashes.SHA256())
    signed = message.sign(serialization.Encoding.DER, options)
    return {"signature": base64.b64encode(signed).decode()}


def _signed(text: bytes) -> bytes:
    return _signer()[0].sign(text, padding.PKCS1v15(), hashes.SHA256())


def _compact(fields: Mapping[str, object]) -> str:
    return _url(json.dumps(fields, sort_keys=True).encode())


def _url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
