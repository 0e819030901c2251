"""The region's certificate and the three signatures over an instance identity document.

The key is made once per state directory, so that a verifier which trusts `identity.pem` goes on
trusting it after a restart. Like EC2's, the signed messages carry no certificate: whoever verifies
must hold the right one already.
"""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from holdfast_sandbox.files import write_whole

VALID = timedelta(days=3650)


class Signer:
    """Signs identity documents with the sandbox's own region certificate."""

    def __init__(self, key: rsa.RSAPrivateKey, certificate: x509.Certificate) -> None:
        self._key = key
        self._certificate = certificate

    def signature(self, document: bytes) -> str:
        """Base64 of RSA (PKCS#1 v1.5) with SHA-256 over the document."""
        return _lines(self._key.sign(document, padding.PKCS1v15(), hashes.SHA256()))

    def signed_message(self, document: bytes) -> str:
        """Base64 of a CMS SignedData (DER) with the document inside and without certificates."""
        builder = pkcs7.PKCS7SignatureBuilder().set_data(document)
        builder = builder.add_signer(self._certificate, self._key, hashes.SHA256())
        options = [pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoCerts]
        return _lines(builder.sign(serialization.Encoding.DER, options))


def signer(state: Path, now: float) -> Signer:
    """The signer of a state directory; makes `identity.key` and `identity.pem` the first time.

    now  Unix time in seconds, the start of the certificate's ten years
    """
    key_file, certificate_file = state / "identity.key", state / "identity.pem"
    if not (key_file.exists() and certificate_file.exists()):
        _make(key_file, certificate_file, datetime.fromtimestamp(now, UTC))
    key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        message = f"{key_file} holds no RSA key; remove it to have a new one made"
        raise TypeError(message)
    return Signer(key, x509.load_pem_x509_certificate(certificate_file.read_bytes()))


def _make(key_file: Path, certificate_file: Path, now: datetime) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Holdfast sandbox"),
            x509.NameAttribute(NameOID.COMMON_NAME, "instance identity"),
        ]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + VALID)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    # The certificate goes last: it is the sign that the pair is whole.
    write_whole(key_file, private)
    write_whole(certificate_file, certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _lines(raw: bytes) -> str:
    """Base64 in lines of 64, as EC2 answers."""
    text = base64.b64encode(raw).decode()
    return "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
