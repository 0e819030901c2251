"""Makes what booted tests need, or says in one line why they will be skipped."""

import subprocess
import sys

from holdfast.model.versions import SUPPORTED
from holdfast_sandbox.machines.image import default_store
from holdfast_sandbox.machines.probe import probe


def main() -> int:
    """Prepare both Kubernetes versions where machines can boot; 0 also where they can't."""
    rows = [row for row in probe(default_store()) if row.name != "image" and not row.optional]
    obstacles = [row.sentence for row in rows if not row.ok]
    if obstacles:
        print(f"booted machines: skipped ({'; '.join(obstacles)})")
        return 0
    versions = [part for version in SUPPORTED for part in ("--kubernetes", version)]
    command = [sys.executable, "-m", "holdfast_sandbox", "prepare", *versions]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
