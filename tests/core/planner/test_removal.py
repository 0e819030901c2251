"""The end of a deletion."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from tests.core.planner.build import AT, MINUTE, RULES, SECOND, a_cluster, a_world, seen

from holdfast.model.certificate import CertificateState, DeletionCertificate, RemovedThing
from holdfast.model.ids import ProviderId
from holdfast.model.observed import Blind, Foreign, Life, Observed
from holdfast.planner.removal import Removal, removal

ASKED = AT - 2 * MINUTE
CLUSTER = a_cluster(delete_asked_at=ASKED, delete_calls_at=AT - MINUTE)
NOTHING = Observed()
REMOVED = (RemovedThing("network", "aws/network", "vpc-1", AT - MINUTE),)
WINDOW = 5 * MINUTE


def judged(
    observed: Observed,
    previous: DeletionCertificate | None = None,
    now: datetime = AT,
    **changes: Any,
) -> Removal:
    return removal(replace(CLUSTER, **changes), observed, REMOVED, previous, RULES, now)


def provisional(**changes: Any) -> DeletionCertificate:
    found = judged(NOTHING, **changes).certificate
    assert found
    return found


def some(life: Life = Life.PRESENT) -> Observed:
    thing = seen(a_world().wanted["aws/network"], life)  # type: ignore[index]
    return Observed(things={thing.resource.name: thing})


def test_the_first_complete_empty_listing_gives_a_provisional_certificate() -> None:
    found = provisional()
    assert found.state is CertificateState.PROVISIONAL
    assert (found.asked_at, found.issued_at, found.listings) == (ASKED, AT, (AT,))
    assert (found.removed, found.name) == (REMOVED, "Web Shop")


def test_it_is_confirmed_behind_the_window_of_the_last_delete_call() -> None:
    first = provisional()
    end = AT - MINUTE + WINDOW
    early = judged(NOTHING, first, end - SECOND)
    assert (early.certificate, early.until) == (None, end)
    assert early.wait
    late = judged(NOTHING, first, end)
    assert late.wait == ""
    assert late.certificate
    assert late.certificate.state is CertificateState.CONFIRMED
    assert late.certificate.listings == (AT, end)
    assert late.certificate.signature == ""


def test_without_a_delete_call_the_window_starts_at_the_first_listing() -> None:
    for calls in (None, ASKED - 100 * MINUTE):
        first = provisional(delete_calls_at=calls)
        assert judged(NOTHING, first, AT + WINDOW - SECOND, delete_calls_at=calls).wait
        assert not judged(NOTHING, first, AT + WINDOW, delete_calls_at=calls).wait


def test_the_two_listings_are_apart_even_without_a_window() -> None:
    rules = replace(RULES, windows=dict.fromkeys(RULES.windows, 0 * SECOND))
    first = provisional()
    for seconds, is_over in ((9, False), (10, True)):
        found = removal(CLUSTER, NOTHING, REMOVED, first, rules, AT + seconds * SECOND)
        assert (found.wait == "") is is_over


def test_a_blind_listing_proves_nothing_and_withdraws_nothing() -> None:
    blind = replace(NOTHING, blind=(Blind(frozenset({"Address"}), "outage"),))
    for previous in (None, provisional()):
        found = judged(blind, previous, AT + 10 * WINDOW)
        assert (found.certificate, found.withdrawn) == (None, False)
        assert "listing failed" in found.wait


def test_something_that_shows_up_again_withdraws_the_certificate() -> None:
    found = judged(some(), provisional(), AT + 10 * WINDOW)
    assert (found.certificate, found.withdrawn, found.wait) == (None, True, "1 things are left")
    assert not judged(some()).withdrawn


def test_what_the_cloud_calls_terminated_is_not_left_but_what_is_going_is() -> None:
    assert judged(some(Life.GONE)).certificate is not None
    for life in (Life.LEAVING, Life.PENDING, Life.FAILED):
        assert judged(some(life)).certificate is None


def test_a_second_copy_is_left_too() -> None:
    copy = next(iter(some().things.values()))
    assert judged(Observed(surplus=(copy,))).certificate is None


def test_a_confirmed_certificate_stands() -> None:
    confirmed = replace(provisional(), state=CertificateState.CONFIRMED)
    assert judged(NOTHING, confirmed) == Removal(None, withdrawn=False, wait="")


def test_foreign_things_are_named_in_it() -> None:
    foreign = Foreign(ProviderId("i-f00"), "instance", frozenset(), "Name=web")
    assert provisional().foreign == ()
    found = judged(replace(NOTHING, foreign=(foreign,))).certificate
    assert found
    assert found.foreign == ("instance i-f00",)
