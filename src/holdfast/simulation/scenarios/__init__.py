"""The stories that a world can play: what people, clouds and machines do; the platform answers.

Each ends when the world is quiet. `play` in `run` opens the world, plays and judges.
"""

from collections.abc import Mapping
from types import MappingProxyType

from holdfast.simulation.scenarios.change import CHANGE
from holdfast.simulation.scenarios.fencing import FENCING
from holdfast.simulation.scenarios.keys import KEYS
from holdfast.simulation.scenarios.life import LIFE
from holdfast.simulation.scenarios.loss import LOSS
from holdfast.simulation.scenarios.restore import RESTORE
from holdfast.simulation.scenarios.spread import SPREAD
from holdfast.simulation.scenarios.story import Broken, Scenario
from holdfast.simulation.scenarios.trouble import TROUBLE

__all__ = ["SCENARIOS", "Broken", "Scenario", "UnknownScenario", "scenario"]

SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {one.name: one for one in (*LIFE, *LOSS, *CHANGE, *TROUBLE, *SPREAD, *RESTORE, *FENCING, *KEYS)}
)


class UnknownScenario(ValueError):
    """No such scenario; the text names those that there are."""


def scenario(name: str) -> Scenario:
    """A scenario by its name. Raises UnknownScenario."""
    if name not in SCENARIOS:
        raise UnknownScenario(f"scenario {name!r} is unknown; there is {', '.join(SCENARIOS)}")
    return SCENARIOS[name]
