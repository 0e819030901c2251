"""Preparation: a link on a prepared image, the right packages elsewhere."""

import json
import tomllib
from pathlib import Path

import pytest
from tests.agent.programs import Programs

from holdfast.agent import prepare

REPOSITORY = "https://pkgs.k8s.io/core:/stable:/v1.37/deb/"


def an_image(path: Path, *versions: str) -> Path:
    for version in versions:
        (path / version).mkdir(parents=True)
        (path / version / "kubeadm").touch()
    return path


def test_a_prepared_image_needs_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kube = an_image(tmp_path / "kube", "1.36.3", "1.37.2")
    monkeypatch.setattr(prepare, "KUBE", kube)
    for version in ("1.37.2", "1.37.2", "1.36.3"):
        assert prepare.prepare(version, REPOSITORY) == "prepared image"
        assert (kube / "current").readlink() == Path(version)


def test_a_system_without_packages_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, programs: Programs
) -> None:
    monkeypatch.setattr(prepare, "KUBE", tmp_path)
    monkeypatch.setenv("PATH", str(programs.directory))
    with pytest.raises(OSError, match="neither a prepared image nor"):
        prepare.prepare("1.37.2", REPOSITORY)


def test_packages_are_of_that_very_version_from_that_very_repository() -> None:
    found = prepare.from_packages("1.37.2", REPOSITORY)
    source = found.files["/etc/apt/sources.list.d/kubernetes.list"]
    assert source == f"deb [signed-by=/etc/apt/keyrings/kubernetes.asc] {REPOSITORY} /\n"
    installs = [command for command in found.commands if "install" in command]
    assert installs[1][-3:] == ("kubeadm=1.37.2-*", "kubelet=1.37.2-*", "kubectl=1.37.2-*")
    assert {"containerd", "containernetworking-plugins"} <= set(installs[0])
    assert ("apt-mark", "hold", "kubeadm", "kubelet", "kubectl") in found.commands
    assert found.commands[0][-1] == "update"
    assert found.commands[-1] == ("systemctl", "restart", "containerd.service")


def test_nothing_is_downloaded_by_a_shell() -> None:
    shells = [c for c in prepare.from_packages("1.37.2", REPOSITORY).commands if c[0] == "sh"]
    assert shells == [("sh", "-c", "modprobe -a overlay br_netfilter || true")]


def test_containerd_uses_systemds_cgroups_and_the_template() -> None:
    read = tomllib.loads(prepare.containerd_configuration())
    assert read["version"] == 2
    cri = read["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["cni"]["conf_template"] == prepare.CNI_TEMPLATE
    assert cri["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] is True


def test_the_network_template_is_json_once_rendered() -> None:
    rendered = prepare.cni_template().replace("{{.PodCIDR}}", "10.217.1.0/24")
    bridge, portmap = json.loads(rendered)["plugins"]
    assert bridge["mtu"] == 1450
    assert bridge["ipam"]["ranges"] == [[{"subnet": "10.217.1.0/24"}]]
    assert portmap["type"] == "portmap"
