"""The go.mod that builds Kubernetes from its published modules."""

import pytest

from holdfast_sandbox.machines.prepare import gomod, recipe
from holdfast_sandbox.machines.prepare.errors import PrepareError

PUBLISHED = """\
module k8s.io/kubernetes

go 1.26.0

require k8s.io/api v0.0.0

replace (
	k8s.io/api => ./staging/src/k8s.io/api
	k8s.io/client-go => ./staging/src/k8s.io/client-go
	example.test/other => example.test/fork v1.0.0
)
"""


def test_every_staged_module_is_replaced_by_its_published_version() -> None:
    text = gomod.kubernetes_header("1.37.2", PUBLISHED)
    assert text.splitlines() == [
        "module holdfast.invalid/kubernetes",
        "",
        "go 1.26.0",
        "",
        "godebug default=go1.26",
        "",
        "replace k8s.io/api => k8s.io/api v0.37.2",
        "replace k8s.io/client-go => k8s.io/client-go v0.37.2",
    ]


def test_another_modules_go_mod_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1\.37\.2 names no staged module"):
        gomod.kubernetes_header("1.37.2", "module example.test/x\n")


def test_the_flags_carry_the_version() -> None:
    flags = gomod.ldflags("1.36.3")
    assert flags == (
        "-s -w"
        " -X k8s.io/component-base/version.gitVersion=v1.36.3"
        " -X k8s.io/component-base/version.gitMajor=1"
        " -X k8s.io/component-base/version.gitMinor=36"
        " -X k8s.io/component-base/version.gitTreeState=clean"
    )


def test_all_programmes_are_asked_for_at_the_version() -> None:
    program = gomod.kubernetes("1.37.2")
    assert set(program.binaries.values()) == {
        *("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"),
        *("kubeadm", "kubelet", "kubectl"),
    }
    assert all(tool.endswith("@v1.37.2") for tool in program.tools)


def test_an_unknown_version_is_refused_with_the_known_ones() -> None:
    with pytest.raises(PrepareError, match=r"1\.35\.0 is unknown here, there are: 1\.37\.2"):
        recipe.etcd_version("1.35.0")
