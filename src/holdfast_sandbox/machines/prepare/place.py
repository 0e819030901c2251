"""Whether a directory can hold machines: overlays and hard links need a real file system."""

import subprocess
from pathlib import Path

from holdfast_sandbox.machines.prepare.errors import PrepareError

REFUSED = ("overlayfs", "tmpfs", "ramfs", "nfs", "fuseblk", "fuse", "9p", "v9fs")
# These separate the options of an overlay mount.
FORBIDDEN = (":", ",", "\\")


def file_system(directory: Path) -> str:
    """The kind of file system that `directory`, or its nearest parent that exists, lies on."""
    while not directory.exists():
        directory = directory.parent
    answer = subprocess.run(
        ["stat", "-f", "-c", "%T", str(directory)], check=True, capture_output=True, text=True
    )
    return answer.stdout.strip()


def check(store: Path) -> None:
    """Raises PrepareError if machines cannot live in `store`."""
    if not store.is_absolute() or any(sign in str(store) for sign in FORBIDDEN):
        raise PrepareError(f"the store must be an absolute path without : , or \\, got {store}")
    kind = file_system(store)
    if kind in REFUSED:
        raise PrepareError(
            f"{store} is on {kind}; machines need a real file system such as ext4 or xfs:"
            " choose another place by --store or HOLDFAST_STORE"
        )
