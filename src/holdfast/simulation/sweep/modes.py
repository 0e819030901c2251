"""In which ways an effect is disturbed, and which effects each way fits."""

from enum import StrEnum

from holdfast.providers.sim.effects import Effect


class Mode(StrEnum):
    """What becomes of the effect in the world, what the process sees, and whether it lives."""

    BEFORE = "before"  # not applied; killed
    AFTER_UNRECORDED = "after_unrecorded"  # applied; killed before the answer is seen
    LOST_RESPONSE = "lost_response"  # applied; no answer; lives
    STALE_AFTER = "stale_after"  # applied and answered; listings don't show it for the window
    LOST_REQUEST = "lost_request"  # not applied; no answer; lives
    LATE = "late"  # applied a second later; no answer; lives
    LATE_MINUTES = "late_minutes"  # applied five minutes later; no answer; lives
    LATE_RESTART = "late_restart"  # applied after the restart; killed
    PARTIAL = "partial"  # an error, and a part is there that will never be usable; lives
    RECORD_FAILS = "record_fails"  # applied; the commit that follows fails; lives
    STALE_RESTART = "stale_restart"  # applied; killed; what the next process reads is old
    ZOMBIE = "zombie"  # applied after a successor became quiet; the old one goes on then


CORE = (Mode.BEFORE, Mode.AFTER_UNRECORDED, Mode.LOST_RESPONSE, Mode.STALE_AFTER)
KILLED = {Mode.BEFORE, Mode.AFTER_UNRECORDED, Mode.LATE_RESTART, Mode.STALE_RESTART}
CLOUD_ONLY = {
    Mode.STALE_AFTER,
    Mode.LATE,
    Mode.LATE_MINUTES,
    Mode.LATE_RESTART,
    Mode.PARTIAL,
    Mode.STALE_RESTART,
    Mode.ZOMBIE,
}


def fits(mode: Mode, effect: Effect) -> bool:
    """Whether the world can do that to an effect.

    Only clouds act late, in part, or show an old state: a commit and an answer are there at once
    or never, and the platform reads its own store through one connection. A zombie's late effect
    is a cloud call; what it commits afterwards follows from that.
    """
    if mode is Mode.PARTIAL:
        return _is_cloud(effect) and effect.verb == "create"
    return mode not in CLOUD_ONLY or _is_cloud(effect)


def _is_cloud(effect: Effect) -> bool:
    return effect.port.startswith("cloud/")
