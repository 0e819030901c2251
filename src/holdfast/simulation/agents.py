"""All agents at once: each begins with its machine, and in the light form they beat together."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from holdfast.clock import Clock
from holdfast.model.ids import MachineId
from holdfast.simulation.agent import HEARTBEAT, Agent, Durations, Heartbeats
from holdfast.simulation.kubernetes import Kubernetes
from holdfast.simulation.machines import Guest, Machines
from holdfast.simulation.time import SeededChance
from holdfast.simulation.uplink import Door

REAL_EVERY = 60  # in the light form one heartbeat of so many goes the whole way


class Platform(Door, Protocol):
    """What agents meet: messages, and the short cut of a quiet heartbeat."""

    def beat(self, machines: Iterable[MachineId]) -> None:
        """Quiet heartbeats of these."""
        ...

    def waiting_orders(self) -> set[MachineId]:
        """Machines that have orders to fetch."""
        ...


@dataclass(slots=True)
class Fleet:
    """All agents."""

    clock: Clock
    chance: SeededChance
    machines: Machines
    kubernetes: Kubernetes
    platform: Platform
    heartbeats: Heartbeats = Heartbeats.WHOLE
    durations: Durations = field(default_factory=Durations)
    agents: dict[MachineId, Agent] = field(default_factory=dict)

    @property
    def door(self) -> Door:
        """The way to the platform, as one agent sees it."""
        return self.platform

    def heard(self, guest: Guest, what: str) -> None:
        """A machine's state changed: its agent goes with it."""
        agent = self.agents.get(guest.machine)
        if what == "running":
            if agent is None:
                agent = self.agents[guest.machine] = Agent(guest, self)
            agent.start()
        elif agent is not None:
            agent.heard(what)

    async def pulse(self) -> None:
        """In the light form: all heartbeats at once, for ever."""
        beats = 0
        while True:
            await self.clock.sleep(HEARTBEAT)
            beats += 1
            ordered = self.platform.waiting_orders()
            quiet = []
            for number, agent in enumerate(self.agents.values()):
                if not agent.beats:
                    continue
                is_turn = (beats + number) % REAL_EVERY == 0
                if is_turn or agent.has_news or agent.guest.machine in ordered:
                    agent.spawn(agent.beat_once())
                else:
                    quiet.append(agent.guest.machine)
            self.platform.beat(quiet)

    def stop(self) -> None:
        """Every agent ends."""
        for agent in self.agents.values():
            agent.stop()
