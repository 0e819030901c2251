"""All that the agent remembers: what user data told it, and how far it has come.

settings.json      from user data: platform, machine, nonce, hashes
state.json         stage, what first contact answered, orders done
counter            the last call-back's counter
instructions.json  what to become; has the cluster's keys on a control plane, gone once joined
"""

import json
import threading
import time
from enum import Enum
from pathlib import Path
from typing import Any

from holdfast.agent import files

REMEMBERED_ORDERS = 100


class Stage(str, Enum):  # noqa: UP042  (Python 3.10 has no StrEnum)
    """How far the machine has come."""

    NEW = "new"
    CONTACTED = "contacted"
    INSTRUCTED = "instructed"
    CHANGING = "changing"  # kubeadm was started; when this is found at a start it was cut off
    CHANGED = "changed"  # kubeadm is done, what comes after it may not be
    JOINED = "joined"


class State:
    """The agent's memory in one directory; every change is on the disk when it returns."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.settings: dict[str, str] = json.loads((directory / "settings.json").read_text())
        stored = files.read(directory / "state.json")
        self._facts: dict[str, Any] = json.loads(stored) if stored else {}
        self._counter = int(files.read(directory / "counter") or 0)
        self._lock = threading.Lock()

    @property
    def machine(self) -> str:
        """The machine's UUID."""
        return self.settings["machine"]

    @property
    def stage(self) -> Stage:
        """How far it has come."""
        return Stage(self._facts.get("stage", Stage.NEW.value))

    @stage.setter
    def stage(self, stage: Stage) -> None:
        self.note(stage=stage.value)

    @property
    def contact(self) -> dict[str, Any]:
        """What first contact answered; empty before."""
        contact: dict[str, Any] = self._facts.get("contact", {})
        return contact

    def note(self, **facts: object) -> None:
        """Remember facts by name."""
        with self._lock:
            self._facts = {**self._facts, **facts}
            files.write(self.directory / "state.json", json.dumps(self._facts, indent=1))

    @property
    def untold(self) -> dict[str, Any] | None:
        """That it has joined, as long as the platform was not told."""
        found: dict[str, Any] | None = self._facts.get("untold")
        return found

    def next_counter(self) -> int:
        """The next call-back's counter: larger than every one before, also after a clock jump."""
        with self._lock:
            self._counter = max(self._counter + 1, int(time.time() * 1000))
            files.write(self.directory / "counter", str(self._counter))
            return self._counter

    def order_result(self, order: str) -> dict[str, Any] | None:
        """What became of an order that was carried out before."""
        results: dict[str, dict[str, Any]] = self._facts.get("orders", {})
        return results.get(order)

    def note_order(self, order: str, result: dict[str, Any]) -> None:
        """Remember an order's result, so that it is never carried out twice."""
        results: dict[str, dict[str, Any]] = {**self._facts.get("orders", {}), order: result}
        self.note(orders=dict(list(results.items())[-REMEMBERED_ORDERS:]))

    @property
    def instructions(self) -> dict[str, Any] | None:
        """What to become, while it is not done."""
        stored = files.read(self.directory / "instructions.json")
        found: dict[str, Any] | None = json.loads(stored) if stored else None
        return found

    def keep_instructions(self, instructions: dict[str, Any]) -> None:
        """Remember what to become: a restart needs no second answer."""
        files.write(self.directory / "instructions.json", json.dumps(instructions))
        self.stage = Stage.INSTRUCTED

    def drop_instructions(self) -> None:
        """Forget what to become, with the secrets in it."""
        (self.directory / "instructions.json").unlink(missing_ok=True)
