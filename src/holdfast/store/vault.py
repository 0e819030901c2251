"""Seals secrets for storage: envelope encryption with AES-256-GCM, and rotation of the master key.

    sealed = version(1) key-id(8) nonce(12) wrapped-data-key(48) nonce(12) ciphertext+tag

Each value has a data key of its own; the master key only wraps data keys, so that a rotation
rewraps 48 bytes a value. What a value is *about* ("credentials/<id>") is authenticated with it:
a sealed value that is moved to another row does not open.
"""

import base64
import binascii
import hashlib
import hmac
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from holdfast.clock import Chance
from holdfast.store.errors import Sealed

KEY_BYTES = 32
_VERSION = b"\x01"
_ID, _NONCE, _WRAPPED = 8, 12, KEY_BYTES + 16
_HEAD = len(_VERSION) + _ID + _NONCE + _WRAPPED


class Vault:
    """Seals with the first key and opens with any; keys are 32 bytes each."""

    def __init__(self, keys: Sequence[bytes], chance: Chance) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            message = f"master key: expected {KEY_BYTES} bytes"
            raise Sealed(message)
        self._keys = {_key_id(key): key for key in keys}
        self._current = _key_id(keys[0])
        self._chance = chance

    @classmethod
    def from_file(cls, path: Path, chance: Chance) -> "Vault":
        """Keys from a file, one base64 line each, newest first; made with mode 0600 if absent.

        Raises Sealed for a file that others may read or that holds no key.
        """
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_keys(path, [chance.bytes(KEY_BYTES)])
        return cls(read_keys(path), chance)

    def seal(self, plain: bytes, about: str) -> bytes:
        """Encrypt under a new data key."""
        data_key = self._chance.bytes(KEY_BYTES)
        nonce = self._chance.bytes(_NONCE)
        return self._wrap(data_key, about) + nonce + _encrypt(data_key, nonce, plain, about)

    def open(self, sealed: bytes, about: str) -> bytes:
        """What `seal` was given. Raises Sealed: wrong key, changed, or about something else."""
        data_key = self._unwrap(sealed, about)
        nonce, box = sealed[_HEAD : _HEAD + _NONCE], sealed[_HEAD + _NONCE :]
        return _decrypt(data_key, nonce, box, about)

    def rewrap(self, sealed: bytes, about: str) -> bytes:
        """The same value, its data key wrapped by the newest master key."""
        return self._wrap(self._unwrap(sealed, about), about) + sealed[_HEAD:]

    def is_current(self, sealed: bytes) -> bool:
        """True when the newest master key wraps it."""
        return sealed[1 : 1 + _ID] == self._current

    def fingerprint(self, plain: bytes) -> str:
        """16 hex digits that tell two secrets apart and reveal nothing without the master key."""
        key = hmac.digest(self._keys[self._current], b"holdfast fingerprint", "sha256")
        return hmac.digest(key, plain, "sha256").hex()[:16]

    def _wrap(self, data_key: bytes, about: str) -> bytes:
        nonce = self._chance.bytes(_NONCE)
        wrapped = _encrypt(self._keys[self._current], nonce, data_key, about)
        return _VERSION + self._current + nonce + wrapped

    def _unwrap(self, sealed: bytes, about: str) -> bytes:
        if len(sealed) < _HEAD + _NONCE or sealed[:1] != _VERSION:
            message = f"sealed value of {about}: not in a form that this release knows"
            raise Sealed(message)
        key = self._keys.get(sealed[1 : 1 + _ID])
        if key is None:
            message = (
                f"sealed value of {about}: it was sealed with another master key; "
                "restore the key file that belongs to this database"
            )
            raise Sealed(message)
        start = 1 + _ID
        return _decrypt(key, sealed[start : start + _NONCE], sealed[start + _NONCE : _HEAD], about)


def read_keys(path: Path) -> list[bytes]:
    """The keys of a key file, newest first. Raises Sealed naming what is wrong with the file."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        message = f"key file {path}: mode is {mode:04o}, others can read it; expected 0600"
        raise Sealed(message)
    try:
        keys = [base64.b64decode(line, validate=True) for line in path.read_text().split()]
    except (binascii.Error, UnicodeDecodeError) as error:
        message = f"key file {path}: expected base64 lines"
        raise Sealed(message) from error
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        message = f"key file {path}: expected one or more keys of {KEY_BYTES} bytes"
        raise Sealed(message)
    return keys


def rotate(path: Path, chance: Chance) -> None:
    """Put a new key first into the key file; the older ones stay until all values are rewrapped."""
    _write_keys(path, [chance.bytes(KEY_BYTES), *read_keys(path)])


def _write_keys(path: Path, keys: Sequence[bytes]) -> None:
    """Replace the file whole: a crash leaves the old or the new one."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(base64.b64encode(key).decode() + "\n" for key in keys)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"holdfast key id" + key).digest()[:_ID]


def _encrypt(key: bytes, nonce: bytes, plain: bytes, about: str) -> bytes:
    return AESGCM(key).encrypt(nonce, plain, about.encode())


def _decrypt(key: bytes, nonce: bytes, box: bytes, about: str) -> bytes:
    try:
        return AESGCM(key).decrypt(nonce, box, about.encode())
    except InvalidTag as error:
        message = f"sealed value of {about}: it was changed or belongs to something else"
        raise Sealed(message) from error
