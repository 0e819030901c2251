"""Reads a CMS SignedData message (RFC 5652) as clouds sign their identity documents with it.

Only what these messages use: DER or BER (EC2 sends indefinite lengths and the document in pieces),
one signer, the content inside, RSA with PKCS#1 v1.5 and SHA-256 or better, with or without signed
attributes. The signer's certificate is never taken from the
message: whoever verifies holds the right ones already. Everything else raises NotVerified.

    ContentInfo
    +- SignedData
       +- encapContentInfo   the document
       +- signerInfos[0]     issuer + serial, digest, [signedAttrs], signature
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010904")
DIGESTS: dict[bytes, hashes.HashAlgorithm] = {
    bytes.fromhex("608648016503040201"): hashes.SHA256(),
    bytes.fromhex("608648016503040202"): hashes.SHA384(),
    bytes.fromhex("608648016503040203"): hashes.SHA512(),
}
LEAST_BITS = 2048
LEEWAY = timedelta(minutes=5)  # between clocks; Kubernetes itself breaks beyond it
DEEPEST = 16

_INTEGER, _OCTETS, _OID, _SEQUENCE, _SET, _CONTEXT_0 = 0x02, 0x04, 0x06, 0x30, 0x31, 0xA0
_CONSTRUCTED_OCTETS = 0x24


class NotVerified(Exception):
    """The message is not what it must be; the text says what was wrong."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One DER value: its tag, its content, and itself whole."""

    tag: int
    content: bytes
    whole: bytes


@dataclass(frozen=True, slots=True)
class _Signer:
    serial: int
    digest: hashes.HashAlgorithm
    attributes: _Part | None
    signature: bytes


def valid(pem: bytes, now: datetime) -> Sequence[x509.Certificate]:
    """The configured certificates that are valid now. Raises NotVerified when there is none."""
    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise NotVerified("the platform has no identity certificates configured") from error
    in_time = [c for c in found if c.not_valid_before_utc <= now <= c.not_valid_after_utc]
    if not in_time:
        raise NotVerified("every configured identity certificate has expired")
    return in_time


def content(message: bytes, certificates: Sequence[x509.Certificate]) -> bytes:
    """The document inside a message that one of the certificates' owners signed."""
    document, signer = _parse(message)
    signed = _signed_bytes(document, signer)
    candidates = [c for c in certificates if c.serial_number == signer.serial]
    if not candidates:
        raise NotVerified(f"signed by certificate {signer.serial:x}, which is not a configured one")
    if not any(is_signed(c, signer.signature, signed, signer.digest) for c in candidates):
        raise NotVerified("the signature does not fit the document")
    return document


def is_signed(
    certificate: x509.Certificate, signature: bytes, data: bytes, digest: hashes.HashAlgorithm
) -> bool:
    """True when the certificate's RSA key, of 2048 bits or more, made the signature."""
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < LEAST_BITS:
        return False
    try:
        key.verify(signature, data, padding.PKCS1v15(), digest)
    except InvalidSignature:
        return False
    return True


def _parse(message: bytes) -> tuple[bytes, _Signer]:
    outer = _children(_one(message, _SEQUENCE))
    if len(outer) != 2 or outer[0].content != SIGNED_DATA:
        raise NotVerified("not a signed message")
    parts = _children(_one(outer[1].content, _SEQUENCE))
    if len(parts) < 4 or parts[-1].tag != _SET:
        raise NotVerified("not a signed message")
    return _document(parts[2]), _signer(_children(parts[-1]))


def _document(encapsulated: _Part) -> bytes:
    parts = _children(encapsulated)
    if len(parts) != 2:
        raise NotVerified("the message does not carry its document")
    inner = _parts(parts[1].content)
    if len(inner) != 1:
        raise NotVerified("the message does not carry its document")
    if inner[0].tag == _CONSTRUCTED_OCTETS:  # in pieces
        return b"".join(piece.content for piece in _children(inner[0]))
    if inner[0].tag != _OCTETS:
        raise NotVerified("the document is not a string of bytes")
    return inner[0].content


def _signer(infos: list[_Part]) -> _Signer:
    if len(infos) != 1:
        raise NotVerified(f"{len(infos)} signers instead of one")
    parts = _children(infos[0])
    if len(parts) < 5 or parts[1].tag != _SEQUENCE:
        raise NotVerified("the signer is not named by issuer and serial number")
    named = _children(parts[1])
    algorithm = _children(parts[2])
    digest = DIGESTS.get(algorithm[0].content) if algorithm else None
    if digest is None or len(named) != 2 or named[1].tag != _INTEGER:
        raise NotVerified("the digest is not SHA-256 or better")
    attributes = parts[3] if parts[3].tag == _CONTEXT_0 else None
    signature = next((part.content for part in parts[3:] if part.tag == _OCTETS), b"")
    return _Signer(int.from_bytes(named[1].content, "big"), digest, attributes, signature)


def _signed_bytes(document: bytes, signer: _Signer) -> bytes:
    """What the signature covers: the document itself, or the attributes that hold its digest."""
    if signer.attributes is None:
        return document
    digest = hashes.Hash(signer.digest)
    digest.update(document)
    if _attribute(signer.attributes, MESSAGE_DIGEST) != digest.finalize():
        raise NotVerified("the digest in the signature is another document's")
    # Signed as SET OF, carried with the implicit tag [0] (RFC 5652, 5.4).
    return bytes([_SET]) + signer.attributes.whole[1:]


def _attribute(attributes: _Part, wanted: bytes) -> bytes | None:
    for attribute in _children(attributes):
        parts = _children(attribute)
        if len(parts) == 2 and parts[0].tag == _OID and parts[0].content == wanted:
            values = _children(parts[1])
            return values[0].content if len(values) == 1 else None
    return None


def _one(data: bytes, tag: int) -> _Part:
    parts = _parts(data)
    if len(parts) != 1 or parts[0].tag != tag:
        raise NotVerified("not a signed message")
    return parts[0]


def _children(part: _Part) -> list[_Part]:
    return _parts(part.content)


def _parts(data: bytes) -> list[_Part]:
    return list(_walk(data))


def _walk(data: bytes) -> Iterator[_Part]:
    at = 0
    while at < len(data):
        part = _next(data, at, 0)
        yield part
        at += len(part.whole)


def _next(data: bytes, at: int, depth: int) -> _Part:
    """The value that begins at `at`."""
    length, start = _length(data, at + 1)
    if length is None:
        end = _end_of_contents(data, start, depth + 1)
        return _Part(data[at], data[start:end], data[at : end + 2])
    end = start + length
    if end > len(data):
        raise NotVerified("the message is cut off")
    return _Part(data[at], data[start:end], data[at:end])


def _end_of_contents(data: bytes, at: int, depth: int) -> int:
    """Where the two zero bytes are that end a value of indefinite length."""
    if depth > DEEPEST:
        raise NotVerified("the message is nested too deep")
    while data[at : at + 2] != b"\0\0":
        if at >= len(data):
            raise NotVerified("the message is cut off")
        at += len(_next(data, at, depth).whole)
    return at


def _length(data: bytes, at: int) -> tuple[int | None, int]:
    """The length that begins at `at`, None for an indefinite one, and where its value begins."""
    if at >= len(data):
        raise NotVerified("the message is cut off")
    first = data[at]
    if first < 0x80:
        return first, at + 1
    count = first & 0x7F
    if count == 0:
        return None, at + 1
    if count > 4 or at + 1 + count > len(data):
        raise NotVerified("the message has an impossible length")
    return int.from_bytes(data[at + 1 : at + 1 + count], "big"), at + 1 + count
