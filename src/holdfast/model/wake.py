"""Why a pass runs, and when the next one shall."""

from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum


class Why(IntEnum):
    """The reason for a pass; its value is the priority."""

    SPOT = 100  # a cloud announced a loss
    USER = 10  # a user, an agent or an observation changed something
    RETRY = -5  # the last pass failed
    TICK = -10  # nothing happened for a while


@dataclass(frozen=True, slots=True)
class Again:
    """When to look at a key again, and with which priority."""

    after: timedelta
    why: Why
