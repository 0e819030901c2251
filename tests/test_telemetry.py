"""Logs without secrets, from structlog and the standard library alike; metrics that render."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from holdfast.telemetry import BLOT, Metrics, blotted, set_up_logs

TOKEN = "hf_" + "A" * 43
PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----\n"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize(
    "text",
    [
        TOKEN,
        f"Authorization: Bearer {TOKEN}",
        PEM,
        PEM[:40],
        "kubeadm join --token abcdef.0123456789abcdef",
        "https://user:password1@proxy.example.org:3128",
        "X-Amz-Signature=0123456789abcdef",
    ],
)
def test_texts_that_look_secret_are_blotted(text: str) -> None:
    result = blotted(f"before {text} after")
    assert BLOT in result
    assert result.startswith("before ")
    for secret in (TOKEN, "MC4CAQAw", "0123456789abcdef", "password1"):
        assert secret not in result


@pytest.mark.parametrize(
    "text", ["i-0abc", "cluster:2b1c", "10.10.0.4:6443", "https://host:8443/v1", "v1.37.1"]
)
def test_other_texts_stay(text: str) -> None:
    assert blotted(text) == text


def test_secrets_are_found_in_depth_by_their_names() -> None:
    value = {"a": [{"secretKey": "x", "password": "", "n": 1}], "t": (TOKEN.encode(), None)}
    assert blotted(value) == {"a": [{"secretKey": BLOT, "password": "", "n": 1}], "t": [BLOT, None]}


def test_both_kinds_of_loggers_write_the_same_json(stream: io.StringIO) -> None:
    set_up_logs("INFO", json=True, stream=stream)
    structlog.contextvars.bind_contextvars(cluster="c1")
    try:
        structlog.get_logger("ours").info("created", machine="m1", token=TOKEN)
        logging.getLogger("theirs").warning("got %s", TOKEN)
        structlog.get_logger("ours").debug("not shown")
    finally:
        structlog.contextvars.clear_contextvars()
    ours, theirs = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (ours["event"], ours["machine"], ours["cluster"]) == ("created", "m1", "c1")
    assert ours["token"] == BLOT
    assert (theirs["event"], theirs["level"], theirs["logger"]) == (
        f"got {BLOT}",
        "warning",
        "theirs",
    )


@pytest.mark.parametrize("as_json", [True, False])
def test_a_secret_in_an_exception_is_blotted(stream: io.StringIO, *, as_json: bool) -> None:
    set_up_logs("INFO", json=as_json, stream=stream)
    try:
        int(TOKEN)
    except ValueError:
        structlog.get_logger("ours").exception("failed", key="cluster:1")
    assert "ValueError" in stream.getvalue()
    assert BLOT in stream.getvalue()
    assert TOKEN not in stream.getvalue()


def test_a_second_set_up_replaces_the_first(stream: io.StringIO) -> None:
    set_up_logs("INFO", json=True, stream=io.StringIO())
    set_up_logs("INFO", json=True, stream=stream)
    logging.getLogger("x").warning("once")
    assert len(stream.getvalue().splitlines()) == 1


def test_metrics_render_and_are_no_singletons() -> None:
    first, second = Metrics(), Metrics()
    first.actions.labels(kind="create", outcome="done").inc()
    first.passes.labels(outcome="settled").observe(0.02)
    text = first.render().decode()
    assert 'holdfast_actions_total{kind="create",outcome="done"} 1.0' in text
    assert 'holdfast_pass_seconds_count{outcome="settled"} 1.0' in text
    assert 'kind="create"' not in second.render().decode()
