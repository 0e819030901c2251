"""What a swarm's world is like and what happens in it, as data: to be printed, cut, replayed."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from holdfast.model.offering import Cloud
from holdfast.providers.sim.consistency import AT_ONCE, Consistency
from holdfast.providers.sim.faults import Fault


class Deed(StrEnum):
    """What a step does. `which` chooses among what is there at that moment."""

    CREATE = "create"  # a person: a cluster; `which` control planes, `value` workers
    DELETE = "delete"  # a person: one of the clusters
    RECONCILE = "reconcile"  # a person: a pass of one cluster
    FAULT = "fault"  # `fault` is in force for `seconds`
    KILL = "kill"  # the cloud loses a machine
    FREEZE = "freeze"  # a machine stands still for `seconds`
    CUT = "cut"  # a machine cannot be reached for `seconds`
    STOP = "stop"  # somebody stops a machine
    NOTICE = "notice"  # the cloud takes a spot machine back
    SILENT = "silent"  # as NOTICE, and says nothing before
    STORM = "storm"  # the cloud takes the share `value` of all spot machines back
    ZONE = "zone"  # the power of a zone fails
    API_AWAY = "api-away"  # a cluster's API hangs for `seconds`
    API_SLOW = "api-slow"  # its answers take `value` seconds for `seconds`
    REVOKE = "revoke"  # the key means nothing for `seconds`
    TAKE = "take"  # somebody deletes a thing of ours that is no machine
    STRANGER = "stranger"  # somebody's machine stands in our subnet for `seconds`
    CRASH = "crash"  # the platform dies `which` effects later, `value` 1: after that effect


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens at a virtual second."""

    at: float
    deed: Deed
    which: int = 0
    value: float = 0.0
    seconds: float = 0.0
    fault: Fault | None = None
    spot: bool = False

    def line(self) -> str:
        """As people read it."""
        words = [f"{self.at:8.1f}", self.deed.value]
        numbers = {"which": self.which, "value": self.value, "seconds": self.seconds}
        words += [f"{name}={number:g}" for name, number in numbers.items() if number]
        words += ["spot"] if self.spot else []
        if self.fault is not None:
            words += _told(self.fault)
        return " ".join(words)


def _told(fault: Fault) -> list[str]:
    said = {name: getattr(fault, name) for name in ("verb", "thing", "subject", "type", "market")}
    said |= {name: getattr(fault, name) for name in ("zone", "error", "value", "writes", "count")}
    return [fault.kind.value, *(f"{k}={v}" for k, v in said.items() if v not in ("*", "", 0, None))]


@dataclass(frozen=True, slots=True)
class Ground:
    """What the world is like all the time.

    clouds  every cluster has its nodes on them in turn
    slow   machines boot and steps take so many times as long as usual
    reuse  a freed public address is the next one that is given out
    """

    clouds: tuple[Cloud, ...] = (Cloud.AWS,)
    consistency: Consistency = AT_ONCE
    latency: float = 0.2
    slow: float = 1.0
    reuse: bool = False
    restart_after: float = 5.0

    def line(self) -> str:
        """As people read it."""
        lag = self.consistency
        return (
            f"{', '.join(self.clouds)}; "
            f"listings lag {lag.appear:.0f} s, show the gone {lag.vanish:.0f} s, "
            f"flicker {lag.flicker:.2f}; calls take {self.latency:.2f} s, machines {self.slow:.1f} "
            f"times the usual; addresses are {'reused' if self.reuse else 'new'}; "
            f"the platform starts again after {self.restart_after:.0f} s"
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """A world and its steps, in order of time; `seed` is also the world's own."""

    seed: int
    ground: Ground = field(default_factory=Ground)
    steps: tuple[Step, ...] = ()

    def with_steps(self, steps: tuple[Step, ...]) -> "Plan":
        """The same world with other steps."""
        return replace(self, steps=steps)

    def text(self) -> str:
        """As people read it, a line for each step."""
        lines = [f"world {self.seed}: {self.ground.line()}", *(step.line() for step in self.steps)]
        return "\n".join(lines) + "\n"
