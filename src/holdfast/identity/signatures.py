"""Ed25519 signatures: machines sign call-backs with them, the installation orders and proofs."""

import base64
import binascii

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


def new_key() -> str:
    """A private key as unencrypted PKCS8 PEM."""
    return (
        Ed25519PrivateKey.generate()
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


def public_key(private_key_pem: str) -> str:
    """The public half as PEM."""
    return (
        _private(private_key_pem)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def is_public_key(pem: str) -> bool:
    """True for an Ed25519 public key in PEM and nothing else."""
    try:
        return isinstance(serialization.load_pem_public_key(pem.encode()), Ed25519PublicKey)
    except (ValueError, UnsupportedAlgorithm):
        return False


def sign(private_key_pem: str, message: bytes) -> str:
    """Base64 of the signature over a message."""
    return base64.b64encode(_private(private_key_pem).sign(message)).decode()


def verify(public_key_pem: str, message: bytes, signature: str) -> bool:
    """True when `signature` (base64) was made over `message` by the owner of the key."""
    try:
        key = serialization.load_pem_public_key(public_key_pem.encode())
        raw = base64.b64decode(signature, validate=True)
    except (ValueError, binascii.Error, UnsupportedAlgorithm):
        return False
    if not isinstance(key, Ed25519PublicKey):
        return False
    try:
        key.verify(raw, message)
    except InvalidSignature:
        return False
    return True


def _private(pem: str) -> Ed25519PrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("a signing key of the installation is an Ed25519 key")
    return key
