"""A cloud that signs instance identity documents, for tests."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NONCE = "n" * 43
DOCUMENT = {
    "accountId": "123456789012",
    "region": "eu-central-1",
    "instanceId": "i-0abc",
    "privateIp": "10.10.0.4",
    "instanceType": "t3.large",
    "imageId": "ami-1",
    "pendingTime": "2026-03-01T11:59:40Z",
}


class Signer:
    """A cloud's region: a key, its certificate, and documents signed with it."""

    def __init__(self, bits: int = 2048, until: datetime = NOW + timedelta(days=1)) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "region")])
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=365))
            .not_valid_after(until)
            .sign(self.key, hashes.SHA256())
        )

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def cms(self, document: bytes, *options: pkcs7.PKCS7Options) -> str:
        builder = pkcs7.PKCS7SignatureBuilder().set_data(document)
        builder = builder.add_signer(self.certificate, self.key, hashes.SHA256())
        chosen = options or (pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoCerts)
        return base64.b64encode(builder.sign(serialization.Encoding.DER, list(chosen))).decode()

    def proof(self, **changes: Any) -> dict[str, str]:
        document = json.dumps({**DOCUMENT, **changes}).encode()
        return {"document": base64.b64encode(document).decode(), "rsa2048": self.cms(document)}

    def plain_proof(self, **changes: Any) -> dict[str, str]:
        document = json.dumps({**DOCUMENT, **changes}).encode()
        signature = self.key.sign(document, padding.PKCS1v15(), hashes.SHA256())
        return {
            "document": base64.b64encode(document).decode(),
            "signature": base64.b64encode(signature).decode(),
        }
