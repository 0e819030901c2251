"""The whole agent against a platform in process: from an unknown machine to a node, and back up."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.agent.programs import Answer, Programs, Web, a_directory

from holdfast.agent import __main__ as program
from holdfast.agent import health, join, prepare
from holdfast.agent.__main__ import Agent
from holdfast.agent.metadata import Metadata
from holdfast.agent.state import Stage, State
from holdfast.identity import signatures


class Platform:
    """Answers as the platform does, and can be away."""

    def __init__(self, path: Path) -> None:
        self.early = 2
        self.turns = 2
        self.away: set[str] = set()
        self.heard: list[dict[str, Any]] = []
        self.web = Web(self._answer)
        self.directory = a_directory(path, f"https://127.0.0.1:{self.web.port}")

    def _answer(self, method: str, path: str, _: Mapping[str, str], body: bytes) -> Answer:
        if not path.startswith("/v1"):
            return self._metadata(method, path)
        said = json.loads(body)
        kind = said.get("kind", "first-contact")
        self.heard.append({**said, "kind": kind})
        if kind in self.away:
            return 0, {}, b""
        if kind == "first-contact" and self.early:
            self.early -= 1
            return 425, {"Retry-After": "0.1"}, b"{}"
        return 200, {}, json.dumps(self._said(kind)).encode()

    def _said(self, kind: str) -> dict[str, Any]:
        if kind == "first-contact":
            return {
                "role": "worker",
                "kubernetesVersion": "1.37.2",
                "packages": "https://packages/",
                "orderKey": signatures.public_key(signatures.new_key()),
            }
        if kind == "may-join" and self.turns:
            self.turns -= 1
            return {"join": False, "wait": "not yet", "retryAfterSeconds": 0.1}
        if kind == "may-join":
            return {"join": True, "instructions": {"mode": "join", "hostname": "n"}}
        return {}

    @staticmethod
    def _metadata(method: str, path: str) -> Answer:
        if method == "PUT" or path.endswith("/document"):
            return 200, {}, b"{}"
        return 404, {}, b""

    def count(self, kind: str) -> int:
        return len([one for one in self.heard if one["kind"] == kind])


@pytest.fixture
def platform(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Platform]:
    monkeypatch.setattr(prepare, "prepare", lambda *_: "prepared image")
    monkeypatch.setattr(join, "start_forwarder", lambda: None)
    monkeypatch.setattr(program, "HEARTBEAT", 0.2)
    monkeypatch.setattr(program, "REFUSED", 0.6)
    monkeypatch.setattr(health, "look", lambda **_: {"kubelet": True})
    monkeypatch.setattr(join, "become", become)
    made = Platform(tmp_path)
    with made.web.serving(made.directory):
        yield made


def become(instructions: dict[str, Any], state: State, _: Any) -> None:
    state.note(untold={"seconds": 1.0, "nodeName": instructions["hostname"]})
    state.stage = Stage.JOINED
    state.drop_instructions()


@contextmanager
def running(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agent]:
    """An agent in a thread, ended and all its connections closed afterwards."""
    service = Metadata(f"https://127.0.0.1:{platform.web.port}")
    monkeypatch.setattr(service, "_get", lambda path: b"{}" if "document" in path else None)
    agent = Agent(platform.directory, service)
    thread = threading.Thread(target=agent.run, daemon=True)
    thread.start()
    try:
        yield agent
    finally:
        agent.stop()
        thread.join(30)
        agent.uplink.close()
        assert not thread.is_alive()


def until(fact: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.02)


def test_it_comes_from_nothing_to_a_node(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(platform, monkeypatch) as agent:
        until(lambda: agent.state.stage is Stage.JOINED and agent.state.untold is None)
        until(lambda: platform.count("heartbeat") > 2)
    assert platform.count("first-contact") == 3
    assert platform.count("may-join") == 3
    assert [one["name"] for one in platform.heard if one["kind"] == "step"] == ["prepare"]
    assert next(one for one in platform.heard if one["kind"] == "joined")["nodeName"] == "n"


def test_a_restart_goes_on_where_it_was(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(platform, monkeypatch) as agent:
        until(lambda: agent.state.stage is Stage.JOINED and agent.state.untold is None)
    platform.heard.clear()
    with running(platform, monkeypatch):
        until(lambda: platform.count("heartbeat") > 1)
    assert {one["kind"] for one in platform.heard} == {"heartbeat"}


def test_that_it_joined_is_told_also_when_the_platform_was_away_and_it_was_restarted(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.away = {"joined"}
    monkeypatch.setattr(program, "LONGEST", 0.2)
    with running(platform, monkeypatch) as agent:
        until(lambda: platform.count("joined") > 1)
        assert agent.state.untold is not None
    platform.away = set()
    with running(platform, monkeypatch) as agent:
        until(lambda: agent.state.untold is None)


def test_a_failed_join_is_told_and_asked_anew(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    def fail_once(instructions: dict[str, Any], state: State, reports: Any) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise join.StepFailed("kubeadm-join", "exit code 1", "port in use")
        become(instructions, state, reports)

    monkeypatch.setattr(join, "become", fail_once)
    with running(platform, monkeypatch):
        until(lambda: platform.count("joined") == 1 and platform.count("failed") == 1)
    assert platform.count("may-join") == 4
    failed = next(one for one in platform.heard if one["kind"] == "failed")
    assert failed["log"] == "port in use"
