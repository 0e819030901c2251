"""Running a command inside a machine: join its cgroups, enter its namespaces, keep its output."""

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

OUTPUT_BYTES = 4 << 20
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# $1 is the number of cgroup files to join, then these files, then the command.
JOIN = """
count=$1
shift
while [ "$count" -gt 0 ]; do
  echo $$ > "$1" || exit 90
  shift
  count=$((count - 1))
done
exec "$@"
"""


def run(pid: int, joins: Sequence[Path], command: Sequence[str], timeout: float) -> tuple[int, str]:
    """Run `command` in the machine whose process 1 is `pid` (as the host sees it).

    Returns its exit code and what it wrote to both outputs, at most the first 4 MiB.
    Raises TimeoutError after `timeout` seconds; the command's process group is ended then.
    """
    argv = [
        *("sh", "-c", JOIN, "machine-run", str(len(joins)), *(str(path) for path in joins)),
        *("nsenter", "-t", str(pid), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w"),
        *("env", "-i", f"PATH={PATH}", "HOME=/root", *command),
    ]
    # A file and not a pipe: a daemon that keeps the output open would hold the caller for ever.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"no end of {command!r} after {timeout:g} s") from error
        finally:
            if process.poll() is None:
                _end_group(process)
        output.seek(0)
        return code, output.read(OUTPUT_BYTES).decode(errors="replace")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
