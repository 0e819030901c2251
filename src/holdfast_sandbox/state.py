"""The sandbox's state directory: one owner at a time, what is kept over restarts, the ready file.

lock            held by the running sandbox
sandbox.json    how to reach it; there only while it runs
kept.json       control token, credentials and ports of the first start, used again
cloud.snapshot  the cloud as of the last change
identity.*      the region's key and certificate
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from holdfast_sandbox.files import write_whole


class StateInUse(Exception):
    """Another sandbox runs on this state directory."""


@dataclass(slots=True)
class Kept:
    """What a restart uses again. `ports` by role: aws, control, proxy; `callbacks` by place."""

    control_token: str
    seed: int = 1
    credentials: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    callbacks: dict[str, str] = field(default_factory=dict)


class StateDirectory:
    """Paths and files of one state directory; made private when it is missing."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.snapshot = self.path / "cloud.snapshot"
        self.certificate = self.path / "identity.pem"
        self._ready = self.path / "sandbox.json"
        self._kept = self.path / "kept.json"

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Own the directory. Raises StateInUse with the owner's process id."""
        with (self.path / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                file.seek(0)
                owner = file.read().strip() or "unknown"
                message = f"a sandbox already runs on {self.path} (process {owner})"
                raise StateInUse(message) from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def kept(self, first: Kept) -> Kept:
        """What the last run kept, or `first`. Raises ValueError for a file that is broken."""
        try:
            return Kept(**json.loads(self._kept.read_text()))
        except FileNotFoundError:
            return first
        except (ValueError, TypeError) as error:
            message = f"{self._kept} can't be read ({error}); remove it to have a new one made"
            raise ValueError(message) from error

    def keep(self, kept: Kept) -> None:
        """Keep it for the next start. The file holds secrets: mode 0600."""
        write_whole(self._kept, json.dumps(asdict(kept), indent=2).encode())

    def announce(self, ready: dict[str, object]) -> None:
        """Write the ready file; whoever waits for it may connect now."""
        write_whole(self._ready, json.dumps(ready, indent=2).encode() + b"\n")

    def withdraw(self) -> None:
        """Remove the ready file: nobody answers from now on."""
        self._ready.unlink(missing_ok=True)
