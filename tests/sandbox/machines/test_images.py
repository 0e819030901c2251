"""Finding what an image needs in a root file system."""

import shutil
from pathlib import Path

import pytest

from holdfast_sandbox.machines.prepare import gobuild, images, layer, recipe
from holdfast_sandbox.machines.prepare.errors import PrepareError
from holdfast_sandbox.machines.prepare.images import Sources
from holdfast_sandbox.machines.prepare.layer import LayerSources
from holdfast_sandbox.machines.prepare.toolchain import Go, minor

LDD = """\
/usr/sbin/nft:
\tlinux-vdso.so.1 (0x00007ffd)
\tlibnftables.so.1 => /lib/x86_64-linux-gnu/libnftables.so.1 (0x00007f5b)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f5c)
/usr/sbin/static:
\tstatically linked
\tnot a dynamic executable
"""


def test_libraries_and_loader_are_read_from_ldd() -> None:
    assert images.parse_ldd(LDD.splitlines()) == {
        "lib/x86_64-linux-gnu/libnftables.so.1",
        "lib64/ld-linux-x86-64.so.2",
    }


def test_links_are_followed_inside_the_root_file_system(tmp_path: Path) -> None:
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/real.so").write_text("x")
    (tmp_path / "usr/lib/short.so").symlink_to("real.so")
    (tmp_path / "lib").symlink_to("usr/lib")
    (tmp_path / "absolute").symlink_to("/lib/short.so")
    (tmp_path / "up").symlink_to("usr/../lib/real.so")
    for name in ("lib/short.so", "absolute", "up"):
        assert images.inside(tmp_path, name) == tmp_path / "usr/lib/real.so"


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(PrepareError, match="loop can not be followed"):
        images.inside(tmp_path, "loop")


def some_sources(tmp_path: Path) -> Sources:
    """Parts whose kubeadm is a script that lists images, in a base system of one plug-in."""
    kubernetes = tmp_path / "kubernetes-1.37.2-abc"
    kubernetes.mkdir()
    names = [*(f"{name}:v1.37.2" for name in recipe.SERVER_PROGRAMS), "coredns/coredns:v1.14.6"]
    names += ["pause:3.10.2", "etcd:3.7.0-0"]
    lines = "".join(f"echo registry.k8s.io/{name}\n" for name in names)
    (kubernetes / "kubeadm").write_text(f"#!/bin/sh\n{lines}")
    (kubernetes / "kubeadm").chmod(0o755)
    etcd = tmp_path / "etcd-3.7.3-abc"
    return Sources(
        base=tmp_path / "base",
        kubernetes={"1.37.2": kubernetes},
        etcd={"1.37.2": etcd},
        coredns=tmp_path / "coredns",
        flannel=tmp_path / "flannel",
        pause=tmp_path / "pause",
    )


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv (util-linux)")
def test_every_name_that_kubeadm_asks_for_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = some_sources(tmp_path)
    monkeypatch.setattr(images, "network_tools", lambda base: ({}, {}))
    made = images.all_images(sources)
    names = {name for image in made for name in image.names}
    wanted = set(images.wanted_names(sources.kubernetes["1.37.2"] / "kubeadm", "1.37.2"))
    assert len(wanted) == 7
    assert names == wanted | {images.FLANNEL_NAME, images.WEB_NAME}


def test_an_etcd_of_another_minor_version_is_refused(tmp_path: Path) -> None:
    sources = some_sources(tmp_path)
    with pytest.raises(PrepareError, match="no etcd was built for the image registry"):
        images._etcd_for("registry.k8s.io/etcd:3.6.8-0", sources)


def test_the_layer_links_programmes_and_points_to_the_first_version(tmp_path: Path) -> None:
    sources = LayerSources({}, tmp_path / "containerd", tmp_path / "etcd")
    kubernetes = {v: tmp_path / f"kubernetes-{v}" for v in ("1.37.2", "1.36.3")}
    programs: dict[Path, tuple[str, ...]] = {
        sources.containerd: layer.RUNTIME_PROGRAMS,
        sources.etcd: layer.ETCD_TOOLS,
        **dict.fromkeys(kubernetes.values(), recipe.NODE_PROGRAMS),
    }
    for directory, names in programs.items():
        directory.mkdir()
        for name in names:
            (directory / name).write_text(name)
    root = tmp_path / "layer"
    root.mkdir()
    layer._fill(root, LayerSources(kubernetes, sources.containerd, sources.etcd))
    assert (root / "opt/kube/current/kubelet").samefile(kubernetes["1.37.2"] / "kubelet")
    assert (root / "opt/kube/1.36.3/kubeadm").samefile(kubernetes["1.36.3"] / "kubeadm")
    assert (root / "usr/bin/kubectl").readlink() == Path("/opt/kube/current/kubectl")
    assert (root / "etc/kubernetes/kubelet.conf.d/10-sandbox.conf").is_file()
    for unit in ("containerd.service", "kubelet.service"):
        wanted = root / "etc/systemd/system/multi-user.target.wants" / unit
        assert wanted.readlink() == Path("/etc/systemd/system") / unit


def test_another_setting_makes_another_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = LayerSources({"1.37.2": tmp_path / "k-1"}, tmp_path / "c-1", tmp_path / "e-1")
    before = layer.part(sources).key
    assert layer.part(sources).key == before
    monkeypatch.setattr(layer, "settings", lambda: iter([("etc/x", "other")]))
    assert layer.part(sources).key != before


def test_a_go_part_depends_on_flags_and_sources_but_not_on_the_toolchain() -> None:
    def key(main: str, go: str = "go") -> str:
        return gobuild.part(recipe.pause(main), Go(Path(go))).key

    assert key("a") == key("a", "/usr/local/go/bin/go")
    assert key("a") != key("b")


@pytest.mark.parametrize(
    ("text", "version"),
    [("go1.26.8\n", (1, 26)), ("go1.27rc1", (1, 27)), ("", (0, 0)), ("devel", (0, 0))],
)
def test_the_version_of_a_toolchain_is_read(text: str, version: tuple[int, int]) -> None:
    assert minor(text) == version
