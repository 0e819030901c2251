"""Kubernetes' official binaries, where their site can be reached; every checksum is verified."""

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from holdfast_sandbox.machines.prepare.errors import PrepareError
from holdfast_sandbox.machines.prepare.progress import Step

SITE = "https://dl.k8s.io"
PROBE_SECONDS = 3.0
READ_SECONDS = 60.0
CHUNK = 1 << 20


def reachable(site: str = SITE, timeout: float = PROBE_SECONDS) -> bool:
    """Whether the site answers within `timeout` seconds."""
    try:
        with urllib.request.urlopen(f"{site}/release/stable.txt", timeout=timeout) as answer:
            return bool(answer.read(64).startswith(b"v"))
    except (OSError, http.client.HTTPException):
        return False


def fetch(
    version: str,
    names: Sequence[str],
    architecture: str,
    directory: Path,
    step: Step,
    site: str = SITE,
) -> None:
    """Download the programmes `names` of a version into `directory`, executable.

    Raises PrepareError when one is missing or has another checksum than published.
    """
    step.total(len(names))
    for name in names:
        step.advance(name, steps=0)
        address = f"{site}/v{version}/bin/linux/{architecture}/{name}"
        try:
            _fetch_one(address, directory / name)
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError) as error:
            raise PrepareError(f"{address} can not be downloaded: {error}") from error
        step.advance(name)


def _fetch_one(address: str, path: Path) -> None:
    with urllib.request.urlopen(f"{address}.sha256", timeout=READ_SECONDS) as answer:
        published = answer.read(1024).decode("ascii", "replace").split()[:1]
    digest = hashlib.sha256()
    with (
        urllib.request.urlopen(address, timeout=READ_SECONDS) as answer,
        path.open("wb") as file,
    ):
        while chunk := answer.read(CHUNK):
            digest.update(chunk)
            file.write(chunk)
    if [digest.hexdigest()] != published:
        raise PrepareError(f"{address} has the checksum {digest.hexdigest()}, not {published}")
    path.chmod(0o755)
