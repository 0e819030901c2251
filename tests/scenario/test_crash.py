"""The platform dies at an effect, starts on its disk alone, and ends where it would have ended."""

import pytest

from holdfast.providers.sim.effects import Effect
from holdfast.providers.sim.faults import Fault, Kind
from holdfast.simulation.agent import Heartbeats
from holdfast.simulation.run import Outcome, play
from holdfast.simulation.world import Settings, Simulation

LIGHT = Settings(heartbeats=Heartbeats.LIGHT)


class Blow:
    """Strikes at the first effect of a label's beginning: dies before or after it, or loses it."""

    def __init__(self, world: Simulation, label: str, how: str) -> None:
        self._world = world
        self._label = label
        self._how = how
        self.number = 0

    def before(self, number: int, effect: Effect) -> Fault | None:
        if self.number or not effect.label.startswith(self._label):
            return None
        self.number = number
        if self._how == "before":
            self._world.die()
        if self._how == "lost-response":
            return Fault(Kind.LOST_RESPONSE)
        return None

    def after(self, number: int, effect: Effect, outcome: str) -> None:
        if number == self.number and self._how == "after":
            self._world.die()

    def reading(self, effect: Effect) -> Fault | None:
        return None


def _struck(label: str, how: str) -> Outcome:
    blows: list[Blow] = []

    def prepare(world: Simulation) -> None:
        blows.append(Blow(world, label, how))
        world.hub.watchers.append(blows[0])

    outcome = play("create", LIGHT, prepare, restarts=False)
    assert blows[0].number, f"no effect {label} was ever issued"
    return outcome


LABELS = (
    "cloud/aws create aws/network",
    "cloud/aws create aws/machine/",
    "cloud/aws create aws/address-binding",
    "store commit wakes,machines",
    "store commit wakes,intents",
    "store commit machines,clusters",
    "agents answer",
)


@pytest.mark.parametrize("how", ["before", "after", "lost-response"])
@pytest.mark.parametrize("label", LABELS)
def test_struck(label: str, how: str) -> None:
    outcome = _struck(label, how)
    assert outcome.is_good, [str(breach) for breach in outcome.breaches]
    if how != "lost-response":
        assert "platform starts, process 2" in outcome.transcript
