"""The end of a deletion: what is left, what is in the way, and when nothing is proven."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from holdfast.model.certificate import CertificateState, DeletionCertificate, RemovedThing
from holdfast.model.cluster import Cluster
from holdfast.model.observed import Life, Observed, Seen
from holdfast.planner.rules import Rules


@dataclass(frozen=True, slots=True)
class Removal:
    """How far a deletion is.

    certificate  what to save now: a new or confirmed one, None to save nothing
    withdrawn    True when a provisional certificate turned out wrong: something showed up again
    wait         what is still missing for the next step, empty when the deletion is over
    until        when the next step is possible, where that is known
    """

    certificate: DeletionCertificate | None
    withdrawn: bool
    wait: str
    until: datetime | None = None


def remaining(observed: Observed) -> tuple[Seen, ...]:
    """Things of ours that the cloud still has, in any state but its own terminal one."""
    things = (*observed.things.values(), *observed.surplus)
    return tuple(seen for seen in things if seen.life is not Life.GONE)


def removal(
    cluster: Cluster,
    observed: Observed,
    removed: Sequence[RemovedThing],
    previous: DeletionCertificate | None,
    rules: Rules,
    now: datetime,
) -> Removal:
    """Judge one complete reading of the clouds for a cluster that is being deleted."""
    left = remaining(observed)
    if observed.blind:
        return Removal(None, withdrawn=False, wait="a listing failed; nothing is proven by it")
    if left:
        return Removal(None, previous is not None, f"{len(left)} things are left")
    if previous is None:
        return Removal(_provisional(cluster, observed, removed, now), False, "the second listing")  # noqa: FBT003
    if previous.state is CertificateState.CONFIRMED:
        return Removal(None, withdrawn=False, wait="")
    earliest = _earliest(cluster, previous, rules)
    if now < earliest:
        return Removal(None, withdrawn=False, wait="the consistency window to end", until=earliest)
    confirmed = replace(
        previous,
        state=CertificateState.CONFIRMED,
        issued_at=now,
        removed=tuple(removed),
        listings=(*previous.listings, now),
        signature="",
    )
    return Removal(confirmed, withdrawn=False, wait="")


def _earliest(cluster: Cluster, previous: DeletionCertificate, rules: Rules) -> datetime:
    """When a second listing proves anything: behind the window and apart from the first one.

    The window starts at the last delete call. Without one it starts at the first listing: a pass
    that ran while the deletion was asked for may still have made something until then.
    """
    calls = cluster.delete_calls_at
    start = calls if calls and calls >= previous.asked_at else previous.listings[0]
    window = max(rules.window(cloud.cloud) for cloud in cluster.spec.clouds)
    return max(start + window, previous.listings[-1] + rules.listing_gap)


def _provisional(
    cluster: Cluster, observed: Observed, removed: Sequence[RemovedThing], now: datetime
) -> DeletionCertificate:
    return DeletionCertificate(
        cluster=cluster.id,
        name=cluster.spec.name,
        state=CertificateState.PROVISIONAL,
        asked_at=cluster.delete_asked_at or now,
        issued_at=now,
        removed=tuple(removed),
        foreign=tuple(f"{foreign.kind} {foreign.id}" for foreign in observed.foreign),
        listings=(now,),
    )
