"""What was refused waits, longer each time."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.core.planner.build import AT, SECOND, a_region, a_world

from holdfast.model.action import Action, Create, Delete, DeleteNode, Plan, Result
from holdfast.model.ids import ResourceName
from holdfast.model.resource import VirtualMachine
from holdfast.planner.pace import GAPS, Pauses, after, paced
from holdfast.planner.words import done, identity, subject

WORLD = a_world()
RULE = Create(WORLD.wanted[ResourceName("aws/rule/worker/egress")], "missing")
MACHINE = Create(WORLD.wanted[WORLD.machines[0].resource], "missing")
GONE = Delete(WORLD.observed.things[ResourceName("aws/network")], "no longer wanted")


def refused(action: Action, error: str, times: int) -> list[timedelta]:
    """The gaps after so many refusals in a row, each at the moment when it may be tried again."""
    pauses: Pauses = {}
    now, gaps = AT, []
    for _ in range(times):
        pauses = after(pauses, [action], [Result(action, error, "no")], now)
        (pause,) = pauses.values()
        assert paced(Plan((action,)), pauses, (), pause.until - SECOND / 10).actions == ()
        assert paced(Plan((action,)), pauses, (), pause.until).actions == (action,)
        gaps.append(pause.gap)
        now = pause.until
    return gaps


@pytest.mark.parametrize("error", sorted(GAPS))
def test_gaps_grow_up_to_their_limit(error: str) -> None:
    gaps = refused(RULE, error, 20)
    assert gaps[0] == GAPS[error].first
    assert gaps == sorted(gaps)
    assert gaps[-1] == GAPS[error].longest
    assert gaps[1] == min(2 * gaps[0], gaps[-1])


def test_a_class_that_nobody_knows_is_paced_like_an_outage() -> None:
    assert refused(RULE, "Novel", 2) == [SECOND, 2 * SECOND]


def test_another_error_starts_anew_and_success_ends_it() -> None:
    pauses = after({}, [RULE], [Result(RULE, "Throttled", "slow")], AT)
    pauses = after(pauses, [RULE], [Result(RULE, "Throttled", "slow")], AT)
    pauses = after(pauses, [RULE], [Result(RULE, "Unavailable", "503")], AT)
    assert [p.gap for p in pauses.values()] == [SECOND]
    assert after(pauses, [RULE], [Result(RULE)], AT) == {}


def test_a_pause_lasts_while_its_action_is_wanted_and_not_longer() -> None:
    pauses = after({}, [RULE], [Result(RULE, "QuotaExceeded", "full")], AT)
    assert after(pauses, [RULE], [], AT) == pauses
    assert after(pauses, [MACHINE], [], AT) == {}


def test_one_refusal_holds_nothing_else_back() -> None:
    pauses = after({}, [RULE, MACHINE], [Result(RULE, "QuotaExceeded", "full")], AT)
    plan = paced(Plan((RULE, MACHINE)), pauses, (), AT)
    assert plan.actions == (MACHINE,)
    assert [(w.subject, w.reason) for w in plan.waiting] == [(subject(RULE), "full")]


def test_what_was_asked_to_go_is_not_asked_again_at_once() -> None:
    pauses = after({}, [GONE], [Result(GONE)], AT)
    plan = paced(Plan((GONE,)), pauses, (), AT + SECOND)
    assert [w.reason for w in plan.waiting] == ["was asked to go and is still shown"]
    assert not plan.waiting[0].on_person
    assert paced(Plan((GONE,)), pauses, (), AT + 2 * SECOND).actions == (GONE,)
    copy = replace(GONE, seen=replace(GONE.seen, id="vpc-2"))  # type: ignore[arg-type]
    assert paced(Plan((copy,)), pauses, (), AT).actions == (copy,)


def test_another_offering_is_another_request() -> None:
    vm = MACHINE.resource
    assert isinstance(vm, VirtualMachine)
    other = replace(vm, offering=replace(vm.offering, zone="eu-central-1b"))
    pauses = after({}, [MACHINE], [Result(MACHINE, "CapacityUnavailable", "none")], AT)
    chosen = Create(other, "missing")
    assert paced(Plan((chosen,)), pauses, (), AT).actions == (chosen,)


def test_a_sold_out_offering_is_not_asked_for() -> None:
    everything = [o.key for o in a_region().offerings]
    plan = paced(Plan((MACHINE, RULE)), {}, everything, AT)
    assert plan.actions == (RULE,)
    assert "sold out" in plan.waiting[0].reason


@pytest.mark.parametrize(
    ("error", "refusals", "on_person"),
    [
        ("Throttled", 9, False),
        ("Unavailable", 9, False),
        ("QuotaExceeded", 1, True),
        ("RequestRejected", 1, True),
        ("CredentialsRejected", 1, True),
        ("DependencyHeld", 3, False),  # a thing that is going may hold it for seconds
        ("DependencyHeld", 4, True),
    ],
)
def test_people_are_asked_for_what_only_they_can_end(
    error: str, refusals: int, on_person: bool
) -> None:
    pauses: Pauses = {}
    for _ in range(refusals):
        pauses = after(pauses, [GONE], [Result(GONE, error, "no")], AT)
    assert [p.on_person for p in pauses.values()] == [on_person]
    assert [p.waiting.on_person for p in pauses.values()] == [on_person]


def test_words_name_the_thing_the_cloud_and_the_reason() -> None:
    assert done(RULE) == "[AWS] firewall rule asked for name=aws/rule/worker/egress"
    assert done(MACHINE) == "[AWS] virtual machine asked for name=web-shop-11111111-aws-c000"
    assert (
        done(GONE) == "[AWS] network deleted name=aws/network id=id-aws/network: no longer wanted"
    )
    assert done(DeleteNode("web-1", "lost")) == "[Cluster] node=web-1 removed: lost"
    assert identity(GONE) == "Delete id-aws/network"
