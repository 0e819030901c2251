"""The platform's own authority, made at its first start, and its server certificates."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from holdfast.identity import certificates
from holdfast.identity.certificates import KeyPair

SERVER_LIFE = timedelta(days=90)


def new(now: datetime) -> KeyPair:
    """An authority for this installation, valid for ten years."""
    return certificates.authority("Holdfast platform", now)


def server_certificate(
    ca: KeyPair, hosts: Sequence[str], now: datetime, valid_for: timedelta = SERVER_LIFE
) -> KeyPair:
    """A server certificate for host names and IP addresses. Raises ValueError without hosts."""
    if not hosts:
        raise ValueError("a server certificate needs at least one host name or address")
    return certificates.server(ca, hosts, now, valid_for)


def is_due(certificate_pem: str, now: datetime) -> bool:
    """True once two thirds of its life are over."""
    return certificates.is_due(certificate_pem, now)
