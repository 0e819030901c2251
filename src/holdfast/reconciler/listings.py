"""The newest shared listing of each account and region, kept for the clusters in it.

One listing a minute serves all clusters of an account. It is some seconds old: it may tell a pass
that all is as wanted, and nothing else. Who wants to change something asks the cloud itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from holdfast.model.ids import ClusterId, CredentialsId
from holdfast.model.observed import Blind, Foreign, Seen

YOUNG = timedelta(seconds=90)  # it is made anew each minute; a slow one may be late


@dataclass(frozen=True, slots=True)
class _Listing:
    at: datetime
    things: dict[ClusterId, list[Seen]]


@dataclass(slots=True)
class Listings:
    """Complete listings only. Forgotten by a restart."""

    _known: dict[tuple[CredentialsId, str], _Listing] = field(default_factory=dict)

    def put(
        self,
        credentials: CredentialsId,
        region: str,
        found: Iterable[Seen | Blind | Foreign],
        at: datetime,
    ) -> None:
        """A listing that began at `at`. One with a part that could not be read is of no use."""
        things: dict[ClusterId, list[Seen]] = {}
        for part in found:
            if isinstance(part, Blind):
                self._known.pop((credentials, region), None)
                return
            if isinstance(part, Seen):
                things.setdefault(part.cluster, []).append(part)
        self._known[credentials, region] = _Listing(at, things)

    def of(
        self, credentials: CredentialsId, region: str, cluster: ClusterId, now: datetime
    ) -> Sequence[Seen] | None:
        """What it shows of a cluster; None where there is no young one."""
        known = self._known.get((credentials, region))
        if known is None or now - known.at > YOUNG:
            return None
        return known.things.get(cluster, ())

    def drop(self, cluster: ClusterId) -> None:
        """Forget a cluster that is gone."""
        for listing in self._known.values():
            listing.things.pop(cluster, None)
