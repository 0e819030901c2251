"""`make up` and `make down`: a stage that stays for own experiments."""

import os
import signal
import sys
import time
from pathlib import Path

from demo.stage import STOP_LIMIT, Stage, StageError, ready_files


def up(directory: Path) -> int:
    """Start what is not running and say how to reach it."""
    if len(list(ready_files(directory))) == 2:
        print(f"already running; its files are in {directory}")
        return 0
    down(directory)
    stage = Stage(directory, dies_with_us=False)
    try:
        sandbox = stage.sandbox()
        platform = stage.platform(sandbox)
    except (StageError, KeyboardInterrupt):
        stage.close()
        raise
    keys, python = sandbox.ready["credentials"], sys.executable
    print(
        f"""
sandbox   AWS API {sandbox.ready["aws"]}, control API {sandbox.ready["control"]}
platform  {platform.url}, data in {directory / "platform"}

  export HOLDFAST_URL={platform.url}
  export HOLDFAST_CA_FILE={platform.ca_file}
  export HOLDFAST_TOKEN=$(cat {directory / "platform" / "admin-token"})
  export PATH="$PWD/.venv/bin:$PATH"
  export AWS_ACCESS_KEY_ID={keys["accessKeyId"]}
  export AWS_SECRET_ACCESS_KEY=$({python} -m demo.secret)

  holdfast credentials add sandbox --cloud aws
  holdfast cluster create first --credentials sandbox --preset basic --wait
  holdfast sandbox status --state {directory / "sandbox"}

make down ends it all."""
    )
    return 0


def down(directory: Path) -> int:
    """End platform and sandbox; each removes what it made."""
    for name, pid in sorted(ready_files(directory)):
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_LIMIT
        while _lives(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        if _lives(pid):
            os.kill(pid, signal.SIGKILL)
            print(f"{name} (pid {pid}) did not end in {STOP_LIMIT:g} s and was killed")
        else:
            print(f"{name} ended")
    return 0


def _lives(pid: int) -> bool:
    """True while the process is there and not only waiting to be collected."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
