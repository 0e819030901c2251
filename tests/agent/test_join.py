"""Joining: the order of the steps, what is left on the disk, and what a cut-off start leads to."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.agent.programs import Programs, a_directory

from holdfast.agent import forward, join
from holdfast.agent.join import StepFailed
from holdfast.agent.state import Stage, State


class Told:
    """Reports that are only remembered."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    @contextmanager
    def step(self, name: str, detail: str = "") -> Iterator[None]:
        yield
        self.steps.append(name)


class Place:
    """A machine's disk below a temporary directory, with stand-ins for its programmes."""

    def __init__(self, path: Path, programs: Programs, patch: pytest.MonkeyPatch) -> None:
        self.path, self.programs = path, programs
        self.state = State(a_directory(path))
        self.told = Told()
        for name in ("CONFIGURATION", "IMAGE_FACTS", "DISCOVERY"):
            patch.setattr(join, name, path / name.lower())
        patch.setattr(forward, "write_backends", lambda b: (path / "backends").write_text(str(b)))
        patch.setattr(join, "_wait_for_forwarder", lambda: programs.add("waited"))
        patch.setattr(join, "_wait_for_kube_proxy", lambda: None)
        patch.setattr(join, "APPLY_SECONDS", 3.0)
        for name in ("systemctl", "kubectl"):
            programs.add(name)
        programs.add("kubeadm")

    def instructions(self, mode: str) -> dict[str, Any]:
        kind = "InitConfiguration" if mode == "init" else "JoinConfiguration"
        return {
            "mode": mode,
            "hostname": "shop-c-aws-6f96",
            "backends": ["10.10.0.4:6443"],
            "files": [{"path": str(self.path / "pki/ca.key"), "mode": 0o600, "content": "KEY"}],
            "manifests": [{"path": str(self.path / "manifests/a.json"), "content": {"kind": "A"}}],
            "kubeadmConfig": [
                {"kind": kind, "nodeRegistration": {"name": "n", "ignorePreflightErrors": []}},
                {"kind": "Other"},
            ],
            "skipPhases": ["addon/coredns"] if mode == "init" else [],
        }

    def become(self, mode: str) -> None:
        instructions = self.state.instructions
        if instructions is None:
            instructions = self.instructions(mode)
            self.state.keep_instructions(instructions)
        join.become(instructions, self.state, self.told)  # type: ignore[arg-type]

    @property
    def kubeadm(self) -> list[str]:
        return [call.split(" --config")[0] for call in self.programs.calls if "kubeadm" in call]


@pytest.fixture
def place(tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, programs, monkeypatch)


def test_the_first_control_plane_keeps_the_order_that_dns_needs(place: Place) -> None:
    place.become("init")
    assert place.told.steps == [
        *("files", "kubeadm-init", "network", "configuration", "kube-proxy", "coredns")
    ]
    assert place.kubeadm == [
        "kubeadm init",
        "kubeadm init phase upload-config kubeadm",
        "kubeadm init phase addon coredns",
    ]
    assert any("--skip-phases=addon/coredns" in call for call in place.programs.calls)
    assert place.state.stage is Stage.JOINED


def test_a_worker_joins_and_does_nothing_else(place: Place) -> None:
    place.become("join")
    assert place.kubeadm == ["kubeadm join"]
    assert place.told.steps == ["files", "kubeadm-join"]
    assert State(place.state.directory).untold is not None, "a restart tells it then"
    assert (place.state.untold or {})["nodeName"] == "shop-c-aws-6f96"


@pytest.mark.fault("F18", "P")
def test_the_secrets_it_joined_with_do_not_stay(place: Place) -> None:
    join.DISCOVERY.write_text("certificate")
    place.become("join")
    assert not join.DISCOVERY.exists()
    assert place.state.instructions is None
    assert (place.path / "pki/ca.key").stat().st_mode & 0o777 == 0o600


def test_a_failed_kubeadm_is_undone_and_told_with_its_output(place: Place) -> None:
    place.programs.add("kubeadm", 'case $1 in join) echo "port 10250 in use" >&2; exit 3;; esac')
    with pytest.raises(StepFailed) as failed:
        place.become("join")
    assert failed.value.step == "kubeadm-join"
    assert "exit code 3" in str(failed.value)
    assert "port 10250 in use" in failed.value.output
    assert place.kubeadm == ["kubeadm join", "kubeadm reset --force"]
    assert not join.DISCOVERY.exists()


def test_kubeadm_that_was_cut_off_is_undone_first(place: Place) -> None:
    place.state.keep_instructions(place.instructions("join"))
    place.state.stage = Stage.CHANGING
    place.become("join")
    assert place.kubeadm == ["kubeadm reset --force", "kubeadm join"]
    assert (place.path / "pki/ca.key").read_text() == "KEY", "reset removed it, it is written again"


def test_after_kubeadm_only_the_rest_is_done(place: Place) -> None:
    place.state.keep_instructions(place.instructions("init"))
    place.state.stage = Stage.CHANGED
    place.become("init")
    assert "kubeadm init" not in place.kubeadm
    assert place.told.steps == ["network", "configuration", "kube-proxy", "coredns"]


def test_kubectl_is_tried_again_while_the_api_server_settles(place: Place) -> None:
    once = place.path / "once"
    place.programs.add("kubectl", f"[ -e {once} ] && exit 0; touch {once}; exit 1")
    place.become("init")
    assert len([call for call in place.programs.calls if call.startswith("kubectl")]) == 2


def test_kubectl_that_never_succeeds_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(join, "APPLY_SECONDS", 0.2)
    place.programs.add("kubectl", "echo denied; exit 1")
    with pytest.raises(StepFailed, match="kubectl apply") as failed:
        place.become("init")
    assert "denied" in failed.value.output
    assert place.state.stage is Stage.CHANGED


def test_what_an_image_cannot_pass_is_ignored_and_nothing_else() -> None:
    documents: list[dict[str, Any]] = [
        {"kind": "A", "nodeRegistration": {"name": "n", "ignorePreflightErrors": ["Swap"]}},
        {"kind": "B"},
    ]
    text = join.configuration(documents, {"ignorePreflightErrors": ["Mem", "Swap"]})
    first, second = (json.loads(part) for part in text.split("\n---\n"))
    assert first["nodeRegistration"] == {"name": "n", "ignorePreflightErrors": ["Mem", "Swap"]}
    assert second == {"kind": "B"}
    plain = json.loads(join.configuration(documents[:1], {}))
    assert plain["nodeRegistration"]["ignorePreflightErrors"] == ["Swap"]
