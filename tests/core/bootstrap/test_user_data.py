"""User data: small, without secrets, and a script that a shell and Python accept."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from holdfast.bootstrap import user_data
from holdfast.bootstrap.user_data import UserDataTooBig
from holdfast.model.ids import MachineId

MACHINE = MachineId("6f9619ff-8b86-4011-b42d-00c04fc964ff")
NONCE = "N" * 43


def rendered(url: str = "https://198.18.0.2:443", nonce: str = NONCE) -> str:
    return user_data.render(url, "a" * 64, "b" * 64, MACHINE, nonce).decode()


def test_it_is_a_boot_hook_of_modest_size() -> None:
    assert rendered().startswith("#cloud-boothook\n#!/bin/sh\n")
    assert len(rendered()) < 4096


def test_it_tells_five_things_and_nothing_else() -> None:
    line = next(line for line in rendered().splitlines() if line.startswith("{"))
    assert json.loads(line) == {
        "platform": "https://198.18.0.2:443",
        "caSha256": "a" * 64,
        "agentSha256": "b" * 64,
        "machine": MACHINE,
        "nonce": NONCE,
    }


@pytest.mark.fault("F19", "P")
def test_it_holds_no_secret_but_the_nonce() -> None:
    text = rendered()
    assert text.count(NONCE) == 1
    assert not re.search(r"BEGIN|token|password|secret|kubeconfig", text.replace(NONCE, ""))


def test_the_shell_accepts_it(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(rendered())
    subprocess.run(["sh", "-n", script], check=True, timeout=10)


def test_python_accepts_the_start(tmp_path: Path) -> None:
    start = re.search(r"start\.py <<'EOF'\n(.*?)\nEOF\n", rendered(), re.DOTALL)
    assert start is not None
    compile(start.group(1), "start.py", "exec")
    assert "@" not in rendered()


@pytest.mark.parametrize("evil", ["x\nEOF\nrm -rf /\n", "$(reboot)", "'; reboot; '", "`id`"])
def test_no_value_leaves_its_place(evil: str, tmp_path: Path) -> None:
    text = user_data.render("https://h", evil, evil, MACHINE, evil).decode()
    heredoc = re.search(r"settings\.json <<'EOF'\n(.*?)\nEOF\n", text, re.DOTALL)
    assert heredoc is not None
    assert json.loads(heredoc.group(1))["nonce"] == evil
    assert text.count(json.dumps(evil)[1:-1]) == 3


@pytest.mark.fault("F20", "P")
def test_over_the_limit_is_a_clear_error_at_build_time() -> None:
    with pytest.raises(UserDataTooBig, match=f"{MACHINE} has .* > 8192"):
        rendered(url="https://" + "h" * 8192)


def test_only_https_leads_to_the_platform() -> None:
    with pytest.raises(ValueError, match="'http://h'"):
        rendered(url="http://h")
