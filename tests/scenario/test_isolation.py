"""I20: a run touches neither the wall clock, nor the network, nor chance that does not repeat."""

import os
import random
import secrets
import socket
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from holdfast.simulation import disk, papers, run
from holdfast.simulation.agent import Heartbeats
from holdfast.simulation.world import Settings

# Who may ask all the same, and why nothing of a run depends on the answer:
ALLOWED = {
    "sqlalchemy.pool.base",  # stamps connections; only their recycling reads it, which is off
    "prometheus_client.metrics",  # the start of a counter, shown by /metrics alone
    "cryptography.x509.base",  # serial numbers of certificates: keys are in no transcript
    "asyncio.base_events",  # debug mode's own stopwatch
}


Touched = list[tuple[str, str]]  # what was asked, by which module


def _guarded(name: str, real: Callable[..., Any], touched: Touched) -> Callable[..., Any]:
    def guard(*args: Any, **named: Any) -> Any:
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if caller not in ALLOWED:
            touched.append((name, caller))
        return real(*args, **named)

    return guard


CLOCKS = ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "sleep")
CHANCE = ("random", "randint", "choice", "uniform", "getrandbits", "randbytes", "shuffle")


DOORS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (time, CLOCKS),
    (random, CHANCE),
    (uuid, ("uuid1", "uuid4")),
    (os, ("urandom",)),
    (secrets, ("token_bytes", "randbits", "token_hex", "token_urlsafe")),
    (socket, ("socket", "socketpair", "create_connection", "getaddrinfo")),
)


@pytest.fixture
def touched(monkeypatch: pytest.MonkeyPatch) -> Touched:
    """Every way to the outside, watched. `datetime.now` can't be replaced: the linter bans it."""
    found: Touched = []
    for module, names in DOORS:
        for name in names:
            guard = _guarded(f"{module.__name__}.{name}", getattr(module, name), found)
            monkeypatch.setattr(module, name, guard)
    return found


def test_nothing_from_outside(touched: Touched) -> None:
    disk.template()
    papers.certificates()
    touched.clear()
    outcome = run.play("create", Settings(heartbeats=Heartbeats.WHOLE))
    found = sorted(set(touched))
    assert found == []
    assert outcome.is_good, outcome.breaches


def test_the_guard_can_fail(touched: Touched) -> None:
    """A platform that looked at the wall clock would be caught."""
    time.time()
    uuid.uuid4()
    assert ("time.time", __name__) in touched
    assert ("os.urandom", "uuid") in touched
