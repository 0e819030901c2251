"""The machine's key, made and used by the `openssl` program: Python has no Ed25519 of its own."""

import base64
import os
import tempfile
from pathlib import Path

from holdfast.agent import commands

SECONDS = 10.0


class Key:
    """An Ed25519 key that never leaves the machine."""

    def __init__(self, directory: Path) -> None:
        self._private = directory / "key.pem"
        self._public = directory / "key.pub.pem"
        if not self._public.exists():
            self._make()

    @property
    def public(self) -> str:
        """The public half, PEM."""
        return self._public.read_text()

    def sign(self, message: bytes) -> str:
        """Base64 of the signature over a message."""
        with _file(message) as path, _file(b"") as signature:
            commands.need(
                [*_PKEYUTL, "-sign", "-inkey", str(self._private), "-in", path, "-out", signature],
                SECONDS,
            )
            return base64.b64encode(Path(signature).read_bytes()).decode()

    def _make(self) -> None:
        old = os.umask(0o077)
        try:
            commands.need(
                ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(self._private)], SECONDS
            )
            # The public half is the sign that the pair is whole, so it comes last and in one step.
            half = self._public.with_suffix(".new")
            commands.need(
                ["openssl", "pkey", "-in", str(self._private), "-pubout", "-out", str(half)],
                SECONDS,
            )
            half.replace(self._public)
        finally:
            os.umask(old)


def is_signed(public_key: str, message: bytes, signature: str) -> bool:
    """True when `signature` (base64) over `message` was made by the owner of the key (PEM)."""
    try:
        raw = base64.b64decode(signature, validate=True)
    except ValueError:
        return False
    with _file(message) as path, _file(raw) as sign, _file(public_key.encode()) as key:
        done = commands.run(
            [*_PKEYUTL, "-verify", "-pubin", "-inkey", key, "-in", path, "-sigfile", sign], SECONDS
        )
    return done.ok


_PKEYUTL = ("openssl", "pkeyutl", "-rawin")


class _file:  # noqa: N801  (reads as the function it is at the place of use)
    """A temporary file with that content, as its path. openssl signs only what has a length."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._path = ""

    def __enter__(self) -> str:
        handle, self._path = tempfile.mkstemp(prefix="holdfast-")
        with os.fdopen(handle, "wb") as file:
            file.write(self._content)
        return self._path

    def __exit__(self, *_: object) -> None:
        Path(self._path).unlink(missing_ok=True)
