"""What a listing shows of the truth: new things late, removed ones still, old pages again."""

from dataclasses import dataclass

from holdfast.providers.sim.draws import Draws
from holdfast.providers.sim.things import History, Version


@dataclass(frozen=True, slots=True)
class Consistency:
    """How far listings lag behind; seconds, drawn once for each new version of each thing.

    appear   at most so long until a new thing or state is shown
    vanish   at most so long a thing that is gone is still shown as it was
    flicker  share of the readings inside `appear` that show one state earlier than the last one
             did: time travel, as from another replica
    """

    appear: float = 0.0
    vanish: float = 0.0
    flicker: float = 0.0


AT_ONCE = Consistency()


@dataclass(frozen=True, slots=True)
class Page:
    """How old an answer is: as of `age` seconds ago, and before the last `writes` to each thing."""

    age: float = 0.0
    writes: int = 0


FRESH = Page()


def delay(settings: Consistency, draws: Draws, history: History, *, ended: bool) -> float:
    """Seconds until the next version of a thing is shown."""
    longest = settings.vanish if ended else settings.appear
    if not longest:
        return 0.0
    return longest * draws.unit("visible", history.id, len(history.versions), ended)


def visible(history: History, now: float, page: Page) -> Version | None:
    """The newest version that a listing shows; None where the thing is not shown at all."""
    versions = history.versions
    if page.writes:
        versions = versions[: max(0, len(versions) - page.writes)]
    for version in reversed(versions):
        if version.visible_at <= now - page.age:
            return version
    return None


def flickers(settings: Consistency, draws: Draws, history: History, now: float) -> bool:
    """Whether this reading shows the thing as it was before its last change."""
    if not settings.flicker or not history.versions:
        return False
    if now - history.versions[-1].at > settings.appear:
        return False
    return draws.unit("flicker", history.id, now) < settings.flicker
