"""Packs the agent into one file that python3 runs: a zip archive with a `__main__`.

The same sources give the same bytes, so that the hash in user data stays right over restarts.
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping

PACKAGE = "holdfast/agent"  # as in the sources, so that its imports of itself stay right

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest date that a zip archive can hold
_MODE = 0o100644 << 16
_ENTRY = b"from holdfast.agent.__main__ import main\n\nmain()\n"


def build(files: Mapping[str, bytes]) -> bytes:
    """The archive of the agent's modules.

    files  name below the agent's package -> source: "__main__.py", "join.py"
    """
    packed = io.BytesIO()
    entries = {f"{PACKAGE}/{name}": source for name, source in files.items()}
    entries |= {"__main__.py": _ENTRY, "holdfast/__init__.py": b""}
    with zipfile.ZipFile(packed, "w") as archive:
        for name in sorted(entries):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = _MODE
            info.create_system = 3  # Unix, whatever system packs it
            archive.writestr(info, entries[name], compresslevel=9)
    return packed.getvalue()


def sha256(archive: bytes) -> str:
    """The hash that user data and the archive's address carry."""
    return hashlib.sha256(archive).hexdigest()
