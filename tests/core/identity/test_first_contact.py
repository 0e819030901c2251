"""First contact: the nonce, the cloud's word and our own record must agree, or nothing happens."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from holdfast.identity import first_contact
from holdfast.identity.first_contact import Accepted, Claim, Known, NotYet, Refused
from holdfast.model.machine import Machine

Build = Callable[..., Any]


def reason(claim: Claim, known: Known, now: Any) -> str:
    verdict = first_contact.verify(claim, known, now)
    assert isinstance(verdict, Refused), verdict
    return verdict.reason


@pytest.fixture
def now(a_claim: Build) -> Any:
    return a_claim().at


def test_the_genuine_machine_is_accepted(a_claim: Build, a_known: Build, now: Any) -> None:
    assert first_contact.verify(a_claim(), a_known(), now) == Accepted()


def test_a_machine_that_the_platform_has_not_seen_yet_waits(
    a_claim: Build, a_known: Build, machine: Machine, now: Any
) -> None:
    unseen = replace(machine, provider_id=None, private_ip=None)
    assert isinstance(first_contact.verify(a_claim(), a_known(machine=unseen), now), NotYet)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"accountId": "999999999999"}, "account"),
        ({"region": "eu-west-1"}, "region"),
        ({"instanceId": "i-0other"}, "instance"),
        ({"privateIp": "10.10.0.99"}, "private address"),
        ({"instanceType": "m5.large"}, "instance type"),
        ({"imageId": "ami-2"}, "image"),
        ({"pendingTime": "2026-03-01T09:00:00Z"}, "older than the machine"),
        ({"pendingTime": "2026-03-01T12:10:00Z"}, "yet to come"),
    ],
)
@pytest.mark.fault("F56", "P")
def test_a_document_of_another_machine_is_refused(
    changes: dict[str, str], named: str, region: Any, a_claim: Build, a_known: Build, now: Any
) -> None:
    assert named in reason(a_claim(proof=region.proof(**changes)), a_known(), now)


@pytest.mark.fault("F15", "P")
def test_a_reused_address_is_refused_when_the_instance_is_another(
    region: Any, a_claim: Build, a_known: Build, now: Any
) -> None:
    claim = a_claim(proof=region.proof(instanceId="i-0younger"))
    assert "i-0younger" in reason(claim, a_known(), now)


def test_an_old_document_of_the_machine_itself_is_refused(
    region: Any, a_claim: Build, a_known: Build, machine: Machine, now: Any
) -> None:
    long_ago = replace(machine, chosen_at=now - timedelta(hours=5))
    claim = a_claim(proof=region.proof(pendingTime="2026-03-01T10:30:00Z"))
    assert "no longer fresh" in reason(claim, a_known(machine=long_ago), now)


@pytest.mark.fault("F56", "P")
def test_a_document_that_another_cloud_key_signed_is_refused(
    other_region: Any, a_claim: Build, a_known: Build, now: Any
) -> None:
    assert "identity document" in reason(a_claim(proof=other_region.proof()), a_known(), now)


@pytest.mark.fault("F18", "P")
def test_a_wrong_nonce_is_refused_whatever_the_proof(
    a_claim: Build, a_known: Build, now: Any
) -> None:
    assert reason(a_claim(nonce="m" * 43), a_known(), now) == "wrong nonce"


@pytest.mark.fault("F16", "P")
def test_a_written_off_machine_does_not_come_back(
    a_claim: Build, a_known: Build, machine: Machine, now: Any
) -> None:
    off = replace(machine, written_off_at=now, written_off_reason="lost")
    assert reason(a_claim(), a_known(machine=off), now) == "written off: lost"


def test_an_unknown_machine_is_refused(a_claim: Build, a_known: Build, now: Any) -> None:
    assert reason(a_claim(), a_known(machine=None), now) == "no such machine"


@pytest.mark.fault("F57", "P")
def test_a_second_first_contact_is_refused(
    a_claim: Build, a_known: Build, public_key: str, now: Any
) -> None:
    other = a_known(bound_key="another key")
    assert "bound already" in reason(a_claim(), other, now)
    called = a_known(bound_key=public_key, has_called=True)
    assert "bound already" in reason(a_claim(), called, now)


@pytest.mark.fault("F57", "P")
def test_the_same_first_contact_again_gets_the_same_answer(
    a_claim: Build, a_known: Build, public_key: str, now: Any
) -> None:
    again = first_contact.verify(a_claim(), a_known(bound_key=public_key), now)
    assert again == Accepted(is_repeat=True)


@pytest.mark.fault("F43", "P")
@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_skewed_clock_is_refused_and_named(
    minutes: int, a_claim: Build, a_known: Build, now: Any
) -> None:
    said = reason(a_claim(at=now + timedelta(minutes=minutes)), a_known(), now)
    assert said == f"clock skew: its clock is {minutes * 60:+d} s off the platform's"


def test_a_clock_that_is_a_little_off_is_accepted(a_claim: Build, a_known: Build, now: Any) -> None:
    claim = a_claim(at=now + timedelta(minutes=4))
    assert first_contact.verify(claim, a_known(), now) == Accepted()


@pytest.mark.fault("F43", "P")
def test_five_minutes_are_the_limit(now: Any) -> None:
    assert first_contact.skew_refusal(now + timedelta(minutes=5), now) is None
    assert "+301 s" in str(first_contact.skew_refusal(now + timedelta(seconds=301), now))


@pytest.mark.parametrize("key", ["", "no key", "-----BEGIN PUBLIC KEY-----\nAAAA\n"])
def test_a_key_that_is_none_is_refused(key: str, a_claim: Build, a_known: Build, now: Any) -> None:
    assert "Ed25519" in reason(a_claim(public_key=key), a_known(), now)


def test_a_machine_of_one_cloud_does_not_come_from_another(
    a_claim: Build, a_known: Build, now: Any
) -> None:
    said = reason(a_claim(cloud="gcp"), a_known(), now)
    assert said == "a machine of aws does not come from 'gcp'"
