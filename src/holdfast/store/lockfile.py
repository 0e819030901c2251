"""One process per database: an exclusive lock on a file beside it, held until the process ends.

The kernel drops the lock with the process, however it dies. Not for network file systems.
"""

import fcntl
import os
from pathlib import Path

from holdfast.store.errors import DatabaseInUse


class LockFile:
    """Holds `<database>.lock`. The file stays: removing it would let two processes lock two."""

    def __init__(self, database: Path) -> None:
        """Take the lock. Raises DatabaseInUse naming the process that holds it."""
        self.path = database.with_name(database.name + ".lock")
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(self._descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._descriptor)
            message = (
                f"database {database}: process {holder} serves it already; stop that one first, "
                "or use another data directory"
            )
            raise DatabaseInUse(message) from error
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let another process have the database."""
        os.close(self._descriptor)
