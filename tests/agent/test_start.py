"""The start that user data installs: by hash or not at all."""

import hashlib
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.agent.programs import MACHINE, Answer, Web

from holdfast.bootstrap import archive, user_data
from holdfast.model.ids import MachineId

AGENT = archive.build(
    {"__init__.py": b"", "__main__.py": b"def main():\n    print('the agent runs')\n"}
)


class Place:
    """A machine's start and the platform that it fetches from."""

    def __init__(self, path: Path) -> None:
        self.files: dict[str, bytes] = {}
        self.web = Web(self._answer)
        self.directory = path / "agent"
        self.directory.mkdir()
        self.fails_first = 0

    def _answer(self, _: str, path: str, __: Mapping[str, str], ___: bytes) -> Answer:
        if self.fails_first:
            self.fails_first -= 1
            return 503, {}, b""
        found = self.files.get(path)
        return (404, {}, b"") if found is None else (200, {}, found)

    def write(self, ca: bytes) -> Path:
        """start.py and settings.json as the script would leave them."""
        sha256 = archive.sha256(AGENT)
        self.files = {"/v1/agent/ca.pem": ca, f"/v1/agent/{sha256}.pyz": AGENT}
        url = f"https://127.0.0.1:{self.web.port}"
        ca_hash = hashlib.sha256(ca).hexdigest()
        text = user_data.render(url, ca_hash, sha256, MachineId(MACHINE), "n").decode()
        text = text.replace(user_data.DIRECTORY, str(self.directory))
        for name in ("settings.json", "start.py"):
            found = re.search(rf"{name} <<'EOF'\n(.*?)\nEOF\n", text, re.DOTALL)
            assert found is not None
            (self.directory / name).write_text(found.group(1))
        return self.directory / "start.py"


def started(start: Path, seconds: float = 30) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(start)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_it_fetches_what_the_hashes_name_and_runs_it(place: Place, tmp_path: Path) -> None:
    with place.web.serving(tmp_path):
        done = started(place.write((tmp_path / "ca.pem").read_bytes()))
        assert done.stdout == "the agent runs\n", done.stderr
        asked = len(place.web.asked)
        again = started(place.directory / "start.py")
    assert again.stdout == "the agent runs\n"
    assert asked == len(place.web.asked) == 2, "a second start fetches nothing"


def test_it_outlasts_a_platform_that_is_away(place: Place, tmp_path: Path) -> None:
    place.fails_first = 2
    with place.web.serving(tmp_path):
        done = started(place.write((tmp_path / "ca.pem").read_bytes()))
    assert done.stdout == "the agent runs\n"
    assert done.stderr.count("not fetched yet") == 2


@pytest.mark.parametrize("forged", ["ca", "agent"])
def test_what_has_another_hash_is_never_run(forged: str, place: Place, tmp_path: Path) -> None:
    with place.web.serving(tmp_path):
        start = place.write((tmp_path / "ca.pem").read_bytes())
        sha256 = archive.sha256(AGENT)
        path = "/v1/agent/ca.pem" if forged == "ca" else f"/v1/agent/{sha256}.pyz"
        place.files[path] = b"forged"
        with subprocess.Popen(
            [sys.executable, "-I", str(start)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as running:
            assert running.stderr is not None
            said = running.stderr.readline()
            running.kill()
            assert running.stdout is not None
            assert running.stdout.read() == ""
    assert "has another hash" in said
    assert not (place.directory / "agent.pyz").exists()
