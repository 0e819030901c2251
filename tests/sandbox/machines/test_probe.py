"""What the probe reads from the kernel's texts, and what it says to users."""

from pathlib import Path

import pytest

from holdfast_sandbox.machines import probe
from holdfast_sandbox.machines.prepare import place
from holdfast_sandbox.machines.prepare.errors import PrepareError

STATUS = (
    "Name:\tx\nCapPrm:\t0000000000000000\nCapEff:\t000001fffeffffff\nCapBnd:\t0000000000000001\n"
)
CGROUPS = """\
#subsys_name\thierarchy\tnum_cgroups\tenabled
cpu\t1\t50\t1
memory\t4\t200\t1
pids\t8\t50\t0
"""


def test_capabilities_are_read_from_the_set_that_is_asked_for() -> None:
    held = probe.capabilities(STATUS)
    assert held >> probe.SYS_ADMIN & 1
    assert held >> probe.NET_ADMIN & 1
    assert not held >> probe.SYS_RESOURCE & 1
    assert probe.capabilities(STATUS, "CapBnd") == 1
    assert probe.capabilities("", "CapBnd") == 0


def test_only_enabled_controllers_count() -> None:
    assert probe.enabled_controllers(CGROUPS) == {"cpu", "memory"}


def test_without_root_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert probe.missing(tmp_path) == "booted machines: skipped (needs Linux and root)"


def test_an_image_that_is_not_made_is_missing_but_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [probe.Row("root", ""), probe.Row("image", "no image"), probe.Row("x", "no x", True)]
    monkeypatch.setattr(probe, "probe", lambda store: rows)
    assert probe.missing(tmp_path) == "booted machines: skipped (no image)"
    assert probe.obstacles(tmp_path) == []
    assert probe.obstacles() == []


def test_elsewhere_than_linux_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert probe.missing(tmp_path) == "booted machines: skipped (needs Linux and root)"


def test_a_programme_that_is_missing_is_named_by_its_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None if name == "nft" else "/bin/x")
    assert probe._programs() == "needs the packages nftables"


@pytest.mark.parametrize("kind", ["tmpfs", "overlayfs"])
def test_a_file_system_without_hard_links_or_overlays_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(place, "file_system", lambda _: kind)
    with pytest.raises(PrepareError, match=rf"is on {kind}; .* --store or HOLDFAST_STORE"):
        place.check(tmp_path)


@pytest.mark.parametrize("path", ["relative", "/a:b", "/a,b", "/a\\b"])
def test_a_path_that_would_break_a_mount_is_refused(path: str) -> None:
    with pytest.raises(PrepareError, match="absolute path"):
        place.check(Path(path))
