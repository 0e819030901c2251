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
    """

    certificate: DeletionCertificate | None
    withdrawn: bool
    wait: str


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
    window = max(rules.window(cloud.cloud) for cloud in cluster.spec.clouds)
    earliest = (cluster.delete_calls_at or previous.asked_at) + window
    if now < max(earliest, previous.listings[-1] + rules.listing_gap):
        return Removal(None, withdrawn=False, wait="the consistency window to end")
    confirmed = replace(
        previous,
        state=CertificateState.CONFIRMED,
        issued_at=now,
        removed=tuple(removed),
        listings=(*previous.listings, now),
        signature="",
    )
    return Removal(confirmed, withdrawn=False, wait="")


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
