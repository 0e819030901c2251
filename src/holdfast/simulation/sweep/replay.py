"""Plays one point of the sweep from the beginning, without a fork: what a failing case needs."""

from holdfast.simulation.run import Outcome, play
from holdfast.simulation.sweep.blow import Blow
from holdfast.simulation.sweep.course import settings, undisturbed
from holdfast.simulation.sweep.point import NoSuchPoint, Point
from holdfast.simulation.world import Simulation


class NotDeterministic(AssertionError):
    """Two runs with one seed had different effects; the text names the first difference."""


def replay(point: Point) -> Outcome:
    """The run of a point; its effects before the blow are checked against the undisturbed run.

    Raises UnknownScenario, NoSuchPoint for an effect that the run does not have, and
    NotDeterministic.
    """
    calm = undisturbed(point.scenario, point.seed)
    if point.number > len(calm.effects):
        message = f"point {point}: the run has only {len(calm.effects)} effects"
        raise NoSuchPoint(message)

    def struck(world: Simulation) -> None:
        world.hub.watchers.append(Blow(world, point.number, point.mode, point.steps, point.then))

    outcome = play(point.scenario, settings(point.seed), struck, restarts=False)
    for one, other in zip(calm.effects[: point.number], outcome.effects, strict=False):
        if one.effect.label != other.effect.label:
            text = f"effect {one.number} was {one.effect.label!r} and is {other.effect.label!r}"
            raise NotDeterministic(f"{point}: {text}")
    return outcome
