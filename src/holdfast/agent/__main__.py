"""Starts the agent (`run`) or the forwarder (`forward`); both run until they are stopped."""

import asyncio
import logging
import random
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from holdfast.agent import commands, forward, health, join, prepare
from holdfast.agent.crypto import Key
from holdfast.agent.metadata import SERVICE, Metadata
from holdfast.agent.notice import Notices
from holdfast.agent.orders import Orders
from holdfast.agent.report import Reports
from holdfast.agent.state import Stage, State
from holdfast.agent.uplink import Later, Refused, Unreachable, Uplink

DIRECTORY = Path("/var/lib/holdfast-agent")
HEARTBEAT = 5.0  # seconds
JOIN_POLL = 1.0  # seconds between two questions when the platform names no other time
SHORTEST, LONGEST = 0.5, 30.0  # seconds between two tries
END_SECONDS = 5.0  # a part that hangs longer is left behind
REFUSED = 10.0  # what refuses us now may not change soon

log = logging.getLogger("holdfast.agent")


class Agent:
    """The parts of the agent, and the way from an unknown machine to a node."""

    def __init__(self, directory: Path, metadata: Metadata) -> None:
        self.state = State(directory)
        self._key = Key(directory)
        self._metadata = metadata
        self.uplink = Uplink(self.state, self._key, self._on_answer)
        self.reports = Reports(self.uplink)
        self._orders = Orders(self.state, self.reports)
        self._notices = Notices(metadata, self.uplink)
        self._boot = boot_id()
        self._stop = threading.Event()
        self._is_control_plane = self.state.contact.get("role") == "control-plane"

    def run(self) -> None:
        """Until stopped, or until a part breaks."""
        if self.state.stage is Stage.NEW:
            self._make_contact()
        parts = [
            threading.Thread(target=self._guard, args=(work,), daemon=True)
            for work in (self.reports.work, self._orders.work, self._notices.watch, self._beat)
        ]
        for part in parts:
            part.start()
        if self.state.stage is not Stage.JOINED:
            self._become()
        self._tell_joined()
        self._stop.wait()
        for part in parts:
            part.join(END_SECONDS)

    def stop(self) -> None:
        """End all parts, each at its next look."""
        self._stop.set()

    def _guard(self, work: Callable[[threading.Event], None]) -> None:
        """A part that breaks ends the agent; systemd starts it anew."""
        try:
            work(self._stop)
        finally:
            self._stop.set()

    def _make_contact(self) -> None:
        pause = SHORTEST
        while True:
            try:
                contact = self.uplink.first_contact(self._metadata.proof(), self._boot)
            except Later as later:
                time.sleep(later.seconds)
                continue
            except (Unreachable, Refused, OSError) as error:
                log.warning("first contact: %s", error)
                time.sleep(random.uniform(0.5, 1.0) * pause)
                pause = min(LONGEST, pause * 1.5)
                continue
            self.state.note(contact=contact, stage=Stage.CONTACTED.value)
            self._is_control_plane = contact.get("role") == "control-plane"
            return

    def _become(self) -> None:
        pause = SHORTEST
        self._until_prepared()
        while self.state.stage is not Stage.JOINED and not self._stop.is_set():
            instructions = self.state.instructions or self._ask()
            if instructions is None:
                return
            try:
                join.become(instructions, self.state, self.reports)
            except join.StepFailed as error:
                self.reports.failed(error.step, str(error), error.output)
                self._start_over()
                time.sleep(pause)
                pause = min(LONGEST, pause * 2)

    def _tell_joined(self) -> None:
        """Until the platform knows it; told again after a restart it is no second fact."""
        while (joined := self.state.untold) is not None and not self._stop.is_set():
            try:
                self.uplink.call("joined", LONGEST, **joined)
            except (Unreachable, Refused) as error:
                log.warning("joined, not told yet: %s", error)
                self._stop.wait(random.uniform(SHORTEST, REFUSED))
            else:
                self.state.note(untold=None)

    def _start_over(self) -> None:
        """Before kubeadm was done everything is asked anew: its credentials may be over."""
        if self.state.stage in (Stage.INSTRUCTED, Stage.CHANGING):
            self.state.drop_instructions()
            self.state.stage = Stage.CONTACTED

    def _until_prepared(self) -> None:
        pause, contact = SHORTEST, self.state.contact
        while True:
            try:
                with self.reports.step("prepare"):
                    prepare.prepare(str(contact["kubernetesVersion"]), str(contact["packages"]))
            except (commands.CommandFailed, OSError) as error:
                self.reports.failed("prepare", str(error), getattr(error, "output", ""))
                time.sleep(pause)
                pause = min(LONGEST, pause * 2)
            else:
                # While it waits for its turn: a joining machine finds the forwarder running.
                join.start_forwarder()
                return

    def _ask(self) -> dict[str, Any] | None:
        """Ask until this machine may join; None when the agent ends before."""
        while not self._stop.is_set():
            try:
                answer = self.uplink.call("may-join", LONGEST)
            except (Unreachable, Refused) as error:
                log.warning("may I join: %s", error)
                is_refused = isinstance(error, Refused)
                self._stop.wait(random.uniform(SHORTEST, REFUSED if is_refused else 2.0))
                continue
            if answer.get("join"):
                instructions: dict[str, Any] = answer["instructions"]
                self.state.keep_instructions(instructions)
                return instructions
            log.info("waiting to join: %s", answer.get("wait", ""))
            self._stop.wait(float(answer.get("retryAfterSeconds") or JOIN_POLL))
        return None

    def _beat(self, stop: threading.Event) -> None:
        while not stop.is_set():
            started, rest = time.monotonic(), HEARTBEAT
            looks = health.look(is_control_plane=self._is_control_plane, skew=self.uplink.skew)
            try:
                self.uplink.call("heartbeat", 0.0, health=looks, bootId=self._boot)
            except Unreachable as error:
                log.warning("heartbeat: %s", error)
                rest = random.uniform(0.5, 1.0) * HEARTBEAT / 2
            except Refused as error:
                log.warning("heartbeat: %s", error)
                rest = LONGEST
            stop.wait(max(0.0, rest - (time.monotonic() - started)))

    def _on_answer(self, answer: dict[str, Any]) -> None:
        backends = [str(backend) for backend in answer.get("backends") or []]
        # Before it may join, the list is the instructions' affair.
        if self.state.stage is Stage.JOINED:
            forward.write_backends(backends)
        self._orders.take(answer.get("orders") or [])


def boot_id() -> str:
    """The kernel's name for this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def main() -> None:
    """The entry of the archive."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    command = sys.argv[1] if len(sys.argv) == 2 else ""
    if command == "forward":
        asyncio.run(forward.Forwarder().serve())
    elif command == "run":
        if not shutil.which("openssl"):
            sys.exit("the agent needs the openssl program")
        agent = Agent(DIRECTORY, Metadata(SERVICE))
        agent.run()
        sys.exit("a part of the agent ended; see above")
    else:
        sys.exit("usage: agent.pyz run|forward")


if __name__ == "__main__":
    main()
