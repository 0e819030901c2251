"""Official binaries, from a server on loopback that stands for their site."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from holdfast_sandbox.machines.prepare import download
from holdfast_sandbox.machines.prepare.errors import PrepareError

PROGRAM = b"\x7fELF kubeadm"
BASE = "/v1.37.2/bin/linux/amd64"

pytestmark = pytest.mark.enable_socket


class Site:
    """What the server answers, by path."""

    def __init__(self) -> None:
        self.files = {
            "/release/stable.txt": b"v1.37.2",
            f"{BASE}/kubeadm": PROGRAM,
            f"{BASE}/kubeadm.sha256": hashlib.sha256(PROGRAM).hexdigest().encode() + b"\n",
        }
        self.address = ""


class Steps:
    def __init__(self) -> None:
        self.done = 0

    def total(self, steps: int) -> None: ...

    def advance(self, what: str = "", steps: int = 1) -> None:
        self.done += steps


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = served.files.get(self.path)
            self.send_response(200 if data is not None else 404)
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        served.address = f"http://127.0.0.1:{server.server_port}"
        yield served
        server.shutdown()
        thread.join()


def test_a_programme_arrives_executable(site: Site, tmp_path: Path) -> None:
    steps = Steps()
    download.fetch("1.37.2", ["kubeadm"], "amd64", tmp_path, steps, site.address)
    assert (tmp_path / "kubeadm").read_bytes() == PROGRAM
    assert (tmp_path / "kubeadm").stat().st_mode & 0o777 == 0o755
    assert steps.done == 1


@pytest.mark.parametrize("published", [b"0" * 64, b"", b"\xff"])
def test_another_checksum_than_published_is_refused(
    site: Site, tmp_path: Path, published: bytes
) -> None:
    site.files[f"{BASE}/kubeadm.sha256"] = published
    with pytest.raises(PrepareError, match="kubeadm has the checksum"):
        download.fetch("1.37.2", ["kubeadm"], "amd64", tmp_path, Steps(), site.address)


def test_a_programme_that_is_missing_is_named(site: Site, tmp_path: Path) -> None:
    with pytest.raises(PrepareError, match=r"kubelet can not be downloaded: .*404"):
        download.fetch("1.37.2", ["kubelet"], "amd64", tmp_path, Steps(), site.address)


def test_a_site_is_reachable_when_it_answers_as_expected(site: Site) -> None:
    assert download.reachable(site.address)
    site.files["/release/stable.txt"] = b"<html>log in to this network</html>"
    assert not download.reachable(site.address)
    assert not download.reachable("http://127.0.0.1:1")
