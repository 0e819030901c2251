"""The numbers that decisions rest on; settings fill them, tests name them."""

from dataclasses import dataclass, field
from datetime import timedelta

from holdfast.model.offering import Cloud

DEFAULT_WINDOWS = {
    Cloud.AWS: timedelta(minutes=5),
    Cloud.GCP: timedelta(minutes=1),
    Cloud.AZURE: timedelta(minutes=5),
    Cloud.DO: timedelta(minutes=2),
}


@dataclass(frozen=True, slots=True)
class Rules:
    """Limits of one installation.

    windows             how long a cloud may hide what is there or show what is gone
    gone_readings       listings in a row without a thing before it counts as gone
    creates_per_intent  create calls for one thing before a person must look
    join_deadline       from launched to joined
    unhealthy_after     NotReady this long, and confirmed by a silent agent, is beyond repair
    breaker_fraction    share of a cluster that may look broken at once and still be healed
    drain_deadline      how long the pods of a machine that leaves may take
    surge               machines of one role that are replaced at the same time
    listing_gap         least time between two listings that prove a deletion
    """

    windows: dict[Cloud, timedelta] = field(default_factory=lambda: dict(DEFAULT_WINDOWS))
    gone_readings: int = 3
    creates_per_intent: int = 3
    join_deadline: timedelta = timedelta(minutes=15)
    unhealthy_after: timedelta = timedelta(minutes=10)
    breaker_fraction: float = 0.2
    drain_deadline: timedelta = timedelta(minutes=15)
    surge: int = 1
    listing_gap: timedelta = timedelta(seconds=10)

    def window(self, cloud: Cloud) -> timedelta:
        """The consistency window of a cloud."""
        return self.windows[cloud]
