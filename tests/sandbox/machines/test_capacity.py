"""The CPUs and the memory that a machine shows."""

from pathlib import Path

import pytest

from holdfast_sandbox.machines import capacity

HOST = """\
processor\t: 0
model name\t: Some CPU
core id\t\t: 0
cpu cores\t: 2
flags\t\t: fpu vme

processor\t: 1
model name\t: Some CPU
core id\t\t: 1
cpu cores\t: 2
flags\t\t: fpu vme
"""


def test_memory_is_shown_in_the_kernels_own_form() -> None:
    text = capacity.meminfo(65536)
    assert "MemTotal:       67108864 kB\n" in text
    assert all(line.split()[2] == "kB" for line in text.splitlines())


def test_each_processor_is_listed_once_with_the_hosts_features() -> None:
    blocks = capacity.cpuinfo(HOST, 16).strip().split("\n\n")
    assert len(blocks) == 16
    rows = [dict(line.replace("\t", "").split(": ", 1) for line in b.splitlines()) for b in blocks]
    assert [row["processor"] for row in rows] == [str(number) for number in range(16)]
    assert {row["cpu cores"] for row in rows} == {"16"}
    assert {row["flags"] for row in rows} == {"fpu vme"}


@pytest.mark.parametrize(("cpus", "span"), [(1, "0\n"), (2, "0-1\n"), (16, "0-15\n")])
def test_the_span_of_processors_is_the_kernels(cpus: int, span: str) -> None:
    files = capacity.trees(cpus, 1024)
    assert {files["cpu/online"], files["cpu/present"], files["node/node0/cpulist"]} == {span}
    assert sum(name.endswith("core_id") for name in files) == cpus


def test_the_node_links_to_each_processor(tmp_path: Path) -> None:
    capacity.write(tmp_path, 3, 2048)
    links = sorted(tmp_path.glob("node/node0/cpu[0-9]"))
    assert [link.resolve() for link in links] == [tmp_path / f"cpu/cpu{n}" for n in range(3)]
    assert all(link.is_dir() for link in links)


def test_settings_that_a_kubelet_writes_get_files_of_their_own(tmp_path: Path) -> None:
    capacity.write(tmp_path, 1, 512)
    own = {str(path.relative_to(tmp_path / "sysctl")) for path in tmp_path.glob("sysctl/*/*")}
    assert {"kernel/panic", "kernel/panic_on_oops", "vm/overcommit_memory"} <= own


@pytest.mark.parametrize(("cpus", "memory"), [(0, 512), (2, 0)])
def test_a_machine_without_cpu_or_memory_is_refused(tmp_path: Path, cpus: int, memory: int) -> None:
    with pytest.raises(ValueError, match=f"got {cpus} and {memory} MiB"):
        capacity.write(tmp_path, cpus, memory)
