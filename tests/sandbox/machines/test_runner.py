"""Parts of the runner that need no machine: identity, consoles, words for ends."""

import signal
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from holdfast_sandbox.machines import disk, image, life
from holdfast_sandbox.machines.image import NotPrepared, Prepared
from holdfast_sandbox.machines.watch import CONSOLE_BYTES, Console, Watch
from holdfast_sandbox.ports import MachineSpec, Nic

NIC = Nic("n", "02:00:00:00:00:01", IPv4Address("10.0.0.5"), IPv4Network("10.0.0.0/24"))
SPEC = MachineSpec("i-1", "node.zone.internal", NIC, 2, 4096)


def test_a_machine_knows_its_names_and_its_resolver() -> None:
    files = disk.identity(SPEC)
    assert files["etc/hostname"] == "node.zone.internal\n"
    assert "10.0.0.5 node.zone.internal node\n" in files["etc/hosts"]
    assert files["etc/resolv.conf"].startswith("nameserver 169.254.169.254\n")


def test_machines_differ_in_identity_and_boots_differ_too() -> None:
    other = MachineSpec("i-2", SPEC.hostname, NIC, 2, 4096)
    assert disk.identity(SPEC)["etc/machine-id"] != disk.identity(other)["etc/machine-id"]
    assert disk.boot_id("i-1", 1) != disk.boot_id("i-1", 2)
    assert [len(part) for part in disk.boot_id("i-1", 1).strip().split("-")] == [8, 4, 4, 4, 12]


def test_golden_files_are_shared_but_the_databases_are_not(tmp_path: Path) -> None:
    golden = tmp_path / "golden"
    for name in (*disk.DATABASES, "snapshots/1/fs/file", disk.IDENTITY):
        (golden / name).parent.mkdir(parents=True, exist_ok=True)
        (golden / name).write_text(name)
    own = tmp_path / "own"
    own.mkdir()
    disk.share(golden, own)
    assert (own / "snapshots/1/fs/file").samefile(golden / "snapshots/1/fs/file")
    for name in disk.DATABASES:
        assert not (own / name).samefile(golden / name)
        assert (own / name).read_text() == name
    assert not (own / disk.IDENTITY).exists()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-signal.SIGINT, "guest powered off"),
        (-signal.SIGHUP, "guest restarted"),
        (-signal.SIGKILL, "init was killed"),
        (1, "init was killed"),
        (-signal.SIGSEGV, "init was ended by SIGSEGV"),
        (255, "init ended with code 255"),
    ],
)
def test_an_end_is_told_in_words(code: int, words: str) -> None:
    assert life.why(code) == words


def test_a_console_keeps_its_last_output(tmp_path: Path) -> None:
    watch, console = Watch(), Console()
    watch.console(console)
    with Path(console.device).open("w") as terminal:
        for number in range(20_000):
            terminal.write(f"line {number}\n")
    watch.forget(console)
    watch.close()
    assert console.text().endswith("line 19998\nline 19999\n")
    assert CONSOLE_BYTES // 2 < len(console.text()) <= CONSOLE_BYTES


def test_a_store_without_an_image_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NotPrepared, match="run `python -m holdfast_sandbox prepare`"):
        image.load(tmp_path)


def test_an_image_is_found_again_unless_a_part_is_gone(tmp_path: Path) -> None:
    for name in ("upper", "base", "golden"):
        (tmp_path / name).mkdir()
    made = Prepared(
        tmp_path, (tmp_path / "upper", tmp_path / "base"), tmp_path / "golden", ("1.37.2",)
    )
    image.save(made)
    assert image.load(tmp_path) == made
    (tmp_path / "base").rmdir()
    with pytest.raises(NotPrepared, match="base is missing"):
        image.load(tmp_path)
