"""The agent on a simulated machine: from boot to a node, and a heartbeat ever after.

boot -> first contact -> prepare -> may I join? -> init or join -> joined
              +-> heartbeats, spot notices, orders
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from holdfast.clock import Clock
from holdfast.model.resource import Role
from holdfast.simulation.kubernetes import Kubernetes
from holdfast.simulation.machines import Guest, Machines
from holdfast.simulation.time import SeededChance, Tenant
from holdfast.simulation.uplink import Answer, Door, Later, Refused, Unreachable, Uplink

HEARTBEAT = 5.0  # seconds
SHORTEST, LONGEST = 0.5, 30.0  # seconds between two tries
REFUSED = 10.0
CA_FILE = "/etc/kubernetes/pki/ca.crt"


class Heartbeats(StrEnum):
    """How heartbeats reach the platform.

    WHOLE  each is a signed message through the API's own code
    LIGHT  one in five minutes is, and each that says or fetches something; the others touch the
           platform's memory of heartbeats directly, which is all that a quiet one does there
    """

    WHOLE = "whole"
    LIGHT = "light"


@dataclass(frozen=True, slots=True)
class Durations:
    """Seconds that steps on a machine take, drawn between the two."""

    boot: tuple[float, float] = (2.0, 5.0)
    prepare: tuple[float, float] = (0.5, 2.0)
    init: tuple[float, float] = (12.0, 25.0)
    join_control_plane: tuple[float, float] = (10.0, 20.0)
    join_worker: tuple[float, float] = (5.0, 12.0)


class StepFailed(Exception):
    """A step did not succeed; the agent begins anew."""


class Surroundings(Protocol):
    """What an agent needs of the world."""

    clock: Clock
    chance: SeededChance
    kubernetes: Kubernetes
    machines: Machines
    heartbeats: Heartbeats
    durations: Durations

    @property
    def door(self) -> Door:
        """The way to the platform."""
        ...


class Agent:
    """One agent; its key, counter and progress survive a reboot of its machine."""

    def __init__(self, guest: Guest, fleet: Surroundings) -> None:
        self.guest = guest
        self._fleet = fleet
        self._clock = fleet.clock
        self._chance = fleet.chance.fork(guest.machine)
        self.uplink = Uplink(guest, fleet.door, fleet.clock, self._chance)
        self._tenant = Tenant(f"machine {guest.machine}")
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._told: set[tuple[str, str]] = set()
        self._orders: dict[str, Answer] = {}
        self._instructions: Answer | None = None
        self._is_refused = False
        self.is_joined = False
        self.is_told = False
        self._seconds = 0.0

    @property
    def beats(self) -> bool:
        """It has a heartbeat that the platform hears."""
        return bool(self.uplink.contact) and self.guest.lives and not self._is_refused

    @property
    def has_news(self) -> bool:
        """The next heartbeat has something to say."""
        return self.guest.notice is not None and self.guest.notice not in self._told

    def start(self) -> None:
        """The machine booted."""
        self.stop()
        self.spawn(self._run())

    def stop(self) -> None:
        """The machine is off."""
        for task in self._tenant.living():
            task.cancel()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run something on this machine."""
        self._tenant.spawn(work, name=f"agent {self.guest.resource.hostname}")

    def heard(self, what: str) -> None:
        """Its machine died, froze or thawed."""
        if what == "dead":
            self.stop()
        elif what == "frozen":
            self._thawed.clear()
        elif what == "thawed":
            self._thawed.set()

    async def _run(self) -> None:
        durations = self._fleet.durations
        await self._pause(self._drawn(durations.boot))
        if not self.uplink.contact:
            await self._make_contact()
        if self._fleet.heartbeats is Heartbeats.WHOLE:
            self.spawn(self._beat())
        if not self.is_joined:
            await self._become()
        await self._tell_joined()

    async def _make_contact(self) -> None:
        pause, boot_id = SHORTEST, self._chance.uuid()
        while not self.uplink.contact:
            try:
                await self.uplink.first_contact(boot_id, self._fleet.machines.challenge(self.guest))
            except Later:
                await self._pause(1.0)
            except (Unreachable, Refused):
                await self._pause(pause * (0.5 + self._chance.random() / 2))
                pause = min(LONGEST, pause * 1.5)

    async def _become(self) -> None:
        durations, pause = self._fleet.durations, SHORTEST
        await self._step("prepare", self._drawn(durations.prepare))
        while not self.is_joined:
            instructions = self._instructions = self._instructions or await self._ask()
            try:
                await self._follow(instructions)
            except StepFailed as error:
                self._instructions = None
                await self._say("failed", step="kubeadm", message=str(error), log="")
                await self._pause(pause)
                pause = min(LONGEST, pause * 2)

    async def _ask(self) -> Answer:
        while True:
            try:
                answer = await self._heard_out("may-join", LONGEST)
            except (Unreachable, Refused) as error:
                self._is_refused = isinstance(error, Refused)
                await self._pause(SHORTEST + self._chance.random() * REFUSED)
                continue
            if answer.get("join"):
                found: Answer = answer["instructions"]
                return found
            await self._pause(float(answer.get("retryAfterSeconds") or 1.0))

    async def _follow(self, instructions: Answer) -> None:
        """kubeadm's part. Raises StepFailed."""
        durations, kubernetes = self._fleet.durations, self._fleet.kubernetes
        role = Role(instructions["role"])
        began = self._clock.monotonic()
        if instructions["mode"] == "init":
            await self._step("kubeadm-init", self._drawn(durations.init))
            ca = next(f["content"] for f in instructions["files"] if f["path"] == CA_FILE)
            version = str(instructions["kubernetesVersion"])
            kubernetes.initialise(self.guest, ca, version)
        else:
            is_control_plane = role is Role.CONTROL_PLANE
            took = durations.join_control_plane if is_control_plane else durations.join_worker
            seconds = self._drawn(took)
            await self._pause(seconds / 2)
            if not kubernetes.may_join(self.guest.cluster):
                raise StepFailed("no API server answers")
            if is_control_plane:
                kubernetes.learn(self.guest)
            await self._step("kubeadm-join", seconds / 2)
            if not kubernetes.may_join(self.guest.cluster):
                raise StepFailed("the API server went away")
            kubernetes.register(self.guest, role)
        self.is_joined = True
        self._seconds = round(self._clock.monotonic() - began, 1)

    async def _tell_joined(self) -> None:
        while not self.is_told:
            try:
                name = self.guest.resource.hostname
                await self._heard_out("joined", LONGEST, seconds=self._seconds, nodeName=name)
            except (Unreachable, Refused) as error:
                self._is_refused = isinstance(error, Refused)
                await self._pause(SHORTEST + self._chance.random() * REFUSED)
            else:
                self.is_told = True

    async def _beat(self) -> None:
        while True:
            await self.beat_once()
            await self._pause(LONGEST if self._is_refused else HEARTBEAT)

    async def beat_once(self) -> None:
        """One heartbeat, and what there is to announce before it."""
        try:
            await self._announce()
            await self._heard_out("heartbeat", 0.0, health={"kubelet": self.is_joined})
            self._is_refused = False
        except Unreachable:
            pass
        except Refused:
            self._is_refused = True

    async def _announce(self) -> None:
        notice = self.guest.notice
        if notice is None or notice in self._told:
            return
        await self._heard_out("spot-notice", 120.0, action=notice[0], time=notice[1])
        self._told.add(notice)

    async def _step(self, name: str, seconds: float) -> None:
        await self._pause(seconds)
        await self._say("step", name=name, detail="", seconds=round(seconds, 1))

    async def _say(self, kind: str, **fields: object) -> None:
        """Progress for people: lost when the platform is not there."""
        with suppress(Unreachable, Refused):
            await self._heard_out(kind, 0.0, **fields)

    async def _heard_out(self, kind: str, patience: float, **fields: object) -> Answer:
        await self._thawed.wait()
        answer = await self.uplink.call(kind, patience, **fields)
        for order in answer.get("orders") or []:
            if order["id"] not in self._orders:
                self._orders[order["id"]] = {}
                self.spawn(self._obey(order))
            elif self._orders[order["id"]]:
                self.spawn(self._say("order-done", **self._orders[order["id"]]))
        return answer

    async def _obey(self, order: Answer) -> None:
        await self._pause(1.0)
        result: Answer = {"orderId": order["id"], "ok": True, "message": ""}
        try:
            result["message"] = self._removed(order)
        except RuntimeError as error:
            result |= {"ok": False, "message": str(error)}
        self._orders[order["id"]] = result
        await self._say("order-done", **result)

    def _removed(self, order: Answer) -> str:
        if order["kind"] != "remove-etcd-member":
            raise RuntimeError(f"this agent knows no order {order['kind']!r}")
        arguments = order["arguments"]
        cluster = self._fleet.kubernetes.cluster(self.guest.cluster)
        return cluster.remove_member(arguments["name"], arguments["peerIp"])

    async def _pause(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        await self._thawed.wait()

    def _drawn(self, between: tuple[float, float]) -> float:
        return self._chance.between(*between)
