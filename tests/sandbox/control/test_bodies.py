"""Bodies of the control API: what fits, and refusals that name the choices."""

import pytest
from pydantic import ValidationError

from holdfast_sandbox.control.bodies import (
    FITTING,
    NEEDED,
    CallbackBody,
    CommandBody,
    FaultBody,
    FaultKind,
    ForeignBody,
)
from holdfast_sandbox.control.server import explain

EXAMPLES: dict[str, object] = {
    "target": "i-1",
    "account": "123456789012",
    "region": "eu-central-1",
    "service": "ec2",
    "action": "RunInstances",
    "subject": "vpc-*",
    "type": "m5.large",
    "zone": "eu-central-1a",
    "market": "spot",
    "code": "InternalError",
    "message": "so it is",
    "status": 500,
    "value": 3,
    "key": "AKIA1",
    "image": "ami-1",
    "delay_seconds": 1.5,
    "ahead_seconds": -60,
    "count": 2,
    "seconds": 30,
}


def fields(kind: FaultKind) -> frozenset[str]:
    return NEEDED.get(kind, frozenset()) | FITTING.get(kind, frozenset())


def refusal(body: object) -> str:
    with pytest.raises(ValidationError) as caught:
        FaultBody.model_validate(body)
    return explain(caught.value)


@pytest.mark.parametrize("kind", FaultKind)
def test_each_kind_takes_all_its_settings(kind: FaultKind) -> None:
    body = {"kind": kind, **{name: EXAMPLES[name] for name in fields(kind)}}
    assert FaultBody.model_validate(body).kind is kind


@pytest.mark.parametrize("kind", FaultKind)
def test_each_kind_refuses_every_other_setting_and_names_its_own(kind: FaultKind) -> None:
    complete = {"kind": kind, **{name: EXAMPLES[name] for name in NEEDED.get(kind, ())}}
    for name in EXAMPLES.keys() - fields(kind):
        said = refusal({**complete, name: EXAMPLES[name]})
        assert name in said
        assert all(own in said for own in fields(kind))


@pytest.mark.parametrize("kind", NEEDED)
def test_a_missing_setting_is_named(kind: FaultKind) -> None:
    for name in NEEDED[kind]:
        others = {other: EXAMPLES[other] for other in NEEDED[kind] if other != name}
        assert f"{name}: missing" in refusal({"kind": kind, **others})


def test_an_unknown_kind_names_all_kinds() -> None:
    said = refusal({"kind": "earthquake"})
    assert all(f"'{kind}'" in said for kind in FaultKind)


@pytest.mark.parametrize(
    "settings",
    [
        {"seconds": 0},
        {"seconds": -1},
        {"seconds": "soon"},
        {"count": 0},
        {"action": ""},
        {"unknown": 1},
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object]) -> None:
    assert next(iter(settings)) in refusal({"kind": "api-outage", **settings})


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"port": 443, "target": "10.0.0.1:443"}, "127.0.0.1"),
        ({"port": 443, "target": "127.0.0.1"}, "127.0.0.1:PORT"),
        ({"port": 443, "target": "127.0.0.1:70000"}, "70000"),
        ({"port": 0, "target": "127.0.0.1:443"}, "port"),
        ({"port": 443, "target": "127.0.0.1:443", "address": "8.8.8.8"}, "198.18.0.0/15"),
        ({"port": 443, "target": "127.0.0.1:443", "address": "x"}, "address"),
    ],
)
def test_a_callback_leads_from_a_sandbox_address_to_loopback(
    body: dict[str, object], word: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        CallbackBody.model_validate(body)
    assert word in explain(caught.value)


def test_a_foreign_vm_needs_exactly_one_place() -> None:
    assert ForeignBody.model_validate({"vpc": "vpc-1"}).name == "foreign"
    both = {"vpc": "vpc-1", "security_group": "sg-1"}
    bodies: tuple[dict[str, str], ...] = ({}, both, {"vpc": "sg-1"})
    for body in bodies:
        with pytest.raises(ValidationError):
            ForeignBody.model_validate(body)


def test_a_command_needs_at_least_a_word() -> None:
    bodies: tuple[dict[str, object], ...] = (
        {"command": []},
        {"command": "ls"},
        {},
        {"command": ["ls"], "timeout": 0},
    )
    for body in bodies:
        with pytest.raises(ValidationError):
            CommandBody.model_validate(body)
