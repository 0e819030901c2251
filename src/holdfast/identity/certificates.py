"""Makes certificates: authorities and the leaves under them, all ECDSA P-256.

Every certificate is backdated by five minutes, so that a machine whose clock is a little behind
accepts it (faults F43).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BACKDATED = timedelta(minutes=5)
AUTHORITY_LIFE = timedelta(days=3650)  # kubeadm's own value for its authorities
ROTATE_AT = 2 / 3  # of a certificate's life

_AUTHORITY_USAGE = {"digital_signature", "key_encipherment", "key_cert_sign"}
_LEAF_USAGE = {"digital_signature", "key_encipherment"}
_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, both PEM; the key is PKCS8 without a password."""

    certificate: str
    key: str


def new_key() -> ec.EllipticCurvePrivateKey:
    """A new ECDSA P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    """A private key as unencrypted PKCS8 PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def public_pem(key: ec.EllipticCurvePrivateKey) -> str:
    """The public half as PEM (SubjectPublicKeyInfo)."""
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def authority(common_name: str, now: datetime) -> KeyPair:
    """A self-signed authority, valid for ten years."""
    key = new_key()
    name = _name(common_name, ())
    certificate = (
        _start(name, name, key, now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(_AUTHORITY_USAGE), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(common_name.replace(" ", "-"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    return KeyPair(_pem(certificate), key_pem(key))


def client(
    issuer: KeyPair, user: str, groups: Sequence[str], now: datetime, valid_for: timedelta
) -> KeyPair:
    """A client certificate in Kubernetes' form: CN is the user, each O a group."""
    key = new_key()
    builder = _start(_name(user, groups), _issuer_name(issuer), key, now, valid_for)
    builder = builder.add_extension(
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
    )
    return KeyPair(_signed(builder, issuer), key_pem(key))


def server(issuer: KeyPair, hosts: Sequence[str], now: datetime, valid_for: timedelta) -> KeyPair:
    """A server certificate for host names and IP addresses; the first is also its CN."""
    key = new_key()
    builder = _start(_name(hosts[0], ()), _issuer_name(issuer), key, now, valid_for)
    builder = builder.add_extension(
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
    ).add_extension(x509.SubjectAlternativeName([_alternative(h) for h in hosts]), critical=False)
    return KeyPair(_signed(builder, issuer), key_pem(key))


def expires_at(certificate_pem: str) -> datetime:
    """When it stops being valid, UTC."""
    return x509.load_pem_x509_certificate(certificate_pem.encode()).not_valid_after_utc


def is_due(certificate_pem: str, now: datetime) -> bool:
    """True once two thirds of its life are over: then a new one is to be made."""
    certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return now >= start + (end - start) * ROTATE_AT


def _start(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    valid_for: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + valid_for)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _signed(builder: x509.CertificateBuilder, issuer: KeyPair) -> str:
    key = serialization.load_pem_private_key(issuer.key.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("an authority of the platform has an ECDSA key")
    certificate = (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(_LEAF_USAGE), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    return _pem(certificate)


def _name(common_name: str, groups: Sequence[str]) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _issuer_name(issuer: KeyPair) -> x509.Name:
    return x509.load_pem_x509_certificate(issuer.certificate.encode()).subject


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(wanted: set[str]) -> x509.KeyUsage:
    return x509.KeyUsage(**{usage: usage in wanted for usage in _USAGES})


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
