"""The stage of a benchmark: a sandbox and a platform in a directory that is removed at the end."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo.site import Holding, Site

READY = 240.0  # seconds after which a benchmark gives up


@contextmanager
def site() -> Iterator[Site]:
    """A fresh site. Its credentials are added and its catalogue is known."""
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        made = Site(Path(folder))
        try:
            made.credentials()
            made.await_catalogue()
            yield made
        finally:
            made.close()


@contextmanager
def cluster(preset: str, **more: str) -> Iterator[Holding]:
    """A whole cluster on a site of its own."""
    with site() as made:
        holding = made.create("bench", preset=preset, **more)
        holding.wait_whole(READY)
        yield holding
