"""Every scenario ends quietly, and every invariant holds."""

import pytest

from holdfast.simulation.agent import Heartbeats
from holdfast.simulation.run import play
from holdfast.simulation.scenarios import SCENARIOS, UnknownScenario
from holdfast.simulation.world import Settings

LIGHT = Settings(heartbeats=Heartbeats.LIGHT)


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str) -> None:
    outcome = play(name, LIGHT)
    assert outcome.converged, outcome.reasons
    assert [str(breach) for breach in outcome.breaches] == []
    assert "log error" not in outcome.transcript


def test_whole_heartbeats_change_nothing_that_counts() -> None:
    """The light form is a shortcut of heartbeats alone: the clouds see the same calls."""
    light = play("create", LIGHT, restarts=False)
    whole = play("create", Settings(), restarts=False)
    assert whole.is_good

    def calls(outcome: object) -> list[str]:
        done = getattr(outcome, "effects", ())
        return [one.effect.label for one in done if one.effect.port.startswith("cloud/")]

    assert calls(light) == calls(whole)


def test_unknown_scenario() -> None:
    with pytest.raises(UnknownScenario, match="'boom' is unknown; there is create"):
        play("boom")
