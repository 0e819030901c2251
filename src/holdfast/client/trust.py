"""Which certificates a client trusts."""

import ssl
from pathlib import Path

from holdfast.client.errors import Unreachable


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """Only the given authority, or the system's. Raises Unreachable naming an unusable file."""
    try:
        return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except OSError as error:  # ssl.SSLError is one too
        message = f"the CA file {ca_file} can't be used: {error}"
        raise Unreachable(message) from error
