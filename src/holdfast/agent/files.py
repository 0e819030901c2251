"""Writes files whole or not at all."""

import os
from pathlib import Path


def write(path: Path, content: bytes | str, mode: int = 0o600) -> None:
    """Replace a file in one step; its directory is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)  # a left-over could have another mode
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)  # whatever the umask says
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def read(path: Path) -> str | None:
    """A file's text, None where there is none."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return None
