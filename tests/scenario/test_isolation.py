"""I20: a run touches neither the wall clock, nor the network, nor chance that does not repeat."""

import asyncio
import datetime as datetimes
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
from holdfast.simulation.agents import Heartbeats
from holdfast.simulation.world import Settings

# Who may ask all the same, and why nothing of a run depends on the answer:
ALLOWED = {
    "sqlalchemy.pool.base",  # stamps connections; only their recycling reads it, which is off
    "prometheus_client.metrics",  # the start of a counter, shown by /metrics alone
    "cryptography.x509.base",  # serial numbers of certificates: keys are in no transcript
    "asyncio.base_events",  # debug mode's own stopwatch
}


class Touched(BaseException):
    """A run asked what it must not ask."""


def _guarded(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def guard(*args: Any, **named: Any) -> Any:
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if caller in ALLOWED:
            return real(*args, **named)
        raise Touched(f"{name} asked by {caller}")

    return guard


CLOCKS = ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "sleep")
CHANCE = ("random", "randint", "choice", "uniform", "getrandbits", "randbytes", "shuffle")


def test_nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    disk.template()
    papers.certificates()
    for module, names in (
        (time, CLOCKS),
        (random, CHANCE),
        (uuid, ("uuid1", "uuid4")),
        (os, ("urandom",)),
        (secrets, ("token_bytes", "randbits", "token_hex", "token_urlsafe")),
        (socket, ("socket", "socketpair", "create_connection", "getaddrinfo")),
    ):
        for name in names:
            real = getattr(module, name)
            monkeypatch.setattr(module, name, _guarded(f"{module.__name__}.{name}", real))

    class Stopped(datetimes.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            raise Touched("datetime.now")

        @classmethod
        def utcnow(cls) -> Any:
            raise Touched("datetime.utcnow")

    monkeypatch.setattr(datetimes, "datetime", Stopped)
    outcome = run.play("create", Settings(heartbeats=Heartbeats.WHOLE))
    assert outcome.is_good, outcome.breaches


def test_the_guard_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A platform that looked at the wall clock would be caught."""
    monkeypatch.setattr(time, "time", _guarded("time.time", time.time))

    async def looks() -> None:
        time.time()

    with pytest.raises(Touched, match=r"time\.time asked by"):
        asyncio.run(looks())
