"""Finding the host's cgroup trees, and groups on an ordinary directory that stands for one."""

from pathlib import Path

import pytest

from holdfast_sandbox.machines import cgroups
from holdfast_sandbox.machines.cgroups import Hierarchy, HybridCgroups, UnifiedCgroups

HYBRID = """\
24 1 253:0 / / rw,relatime - ext4 /dev/vda rw
30 24 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw
31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
33 30 0:29 / /sys/fs/cgroup/hugetlb rw - cgroup cgroup rw,hugetlb
34 30 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
35 30 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
36 24 0:31 / /var/second/unified rw - cgroup2 cgroup2 rw
"""
UNIFIED = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


def test_a_hybrid_host_has_v1_trees_and_the_v2_tree_each_once() -> None:
    assert cgroups.hierarchies(HYBRID) == [
        Hierarchy(Path("/sys/fs/cgroup/cpu,cpuacct"), ("cpu", "cpuacct")),
        Hierarchy(Path("/sys/fs/cgroup/memory"), ("memory",)),
        Hierarchy(Path("/sys/fs/cgroup/systemd"), ("name=systemd",)),
        Hierarchy(Path("/sys/fs/cgroup/unified"), ()),
    ]
    assert cgroups.of_host("s", HYBRID).kinds == "cpu,cpuacct memory name=systemd unified"


def test_a_v2_host_has_one_tree() -> None:
    assert cgroups.of_host("s", UNIFIED).kinds == "v2"


def test_a_host_without_cgroups_is_named_as_such() -> None:
    with pytest.raises(FileNotFoundError, match="no cgroup file system"):
        cgroups.of_host("s", "24 1 253:0 / / rw - ext4 /dev/vda rw\n")


def test_a_machine_gets_its_limits_and_no_block_devices(tmp_path: Path) -> None:
    trees = [Hierarchy(tmp_path / name, (name,)) for name in ("memory", "devices", "cpuset")]
    for tree in trees:
        tree.mount.mkdir()
    for group in ("", "holdfast", "holdfast/s"):
        (tmp_path / "cpuset" / group).mkdir(exist_ok=True)
        for file in ("cpuset.cpus", "cpuset.mems"):
            (tmp_path / "cpuset" / group / file).write_text("0-1\n" if not group else "\n")
    joins = HybridCgroups("s", trees).create("m", 512)
    assert (tmp_path / "memory/holdfast/s/m/memory.limit_in_bytes").read_text() == "536870912"
    assert (tmp_path / "devices/holdfast/s/m/devices.deny").read_text() == "b *:* rw"
    assert (tmp_path / "cpuset/holdfast/s/cpuset.cpus").read_text() == "0-1"
    assert joins == [
        tmp_path / n / "holdfast/s/m/cgroup.procs" for n in ("memory", "devices", "cpuset")
    ]


def test_on_v2_controllers_are_handed_down_to_the_machine(tmp_path: Path) -> None:
    joins = UnifiedCgroups("s", Hierarchy(tmp_path, ())).create("m", 512)
    for inner in (tmp_path, tmp_path / "holdfast", tmp_path / "holdfast/s"):
        assert "+memory" in (inner / "cgroup.subtree_control").read_text()
    assert (tmp_path / "holdfast/s/m/memory.max").read_text() == "536870912"
    assert not (tmp_path / "holdfast/s/m/cgroup.subtree_control").exists()
    assert joins == [tmp_path / "holdfast/s/m/cgroup.procs"]


def test_processes_of_nested_groups_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "cgroup.procs").write_text("1\n2\n")
    (tmp_path / "a/b/cgroup.procs").write_text("3\n")
    assert cgroups.pids(tmp_path) == {1, 2, 3}
    assert cgroups.pids(tmp_path / "gone") == set()


def test_removal_is_deepest_first_and_gives_up_on_a_busy_group(tmp_path: Path) -> None:
    (tmp_path / "g/a/b").mkdir(parents=True)
    cgroups.remove_tree(tmp_path / "g")
    assert not (tmp_path / "g").exists()
    cgroups.remove_tree(tmp_path / "g")
    (tmp_path / "busy").mkdir()
    (tmp_path / "busy/file").write_text("a directory with a file can't be removed by rmdir")
    with pytest.raises(OSError, match="busy"):
        cgroups.remove_tree(tmp_path / "busy", seconds=0.05)
