"""Run `ip`, `nft` and `tc` in the network namespace of the calling thread."""

import subprocess

from holdfast_sandbox.fabric.errors import FabricError

TIMEOUT = 20.0  # seconds; a batch takes milliseconds, a busy host some hundred of them


def run(command: list[str], stdin: str = "") -> None:
    """Run one command to its end. Raises FabricError with what it printed when it failed."""
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    except FileNotFoundError as error:
        raise FabricError(f"program {command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise FabricError(f"{' '.join(command)} took more than {TIMEOUT:.0f} s") from error
    if done.returncode != 0:
        raise FabricError(f"{' '.join(command)} failed: {done.stderr.strip()}\ninput: {stdin}")


def ip(*lines: str) -> None:
    """Run lines of `ip` in one process; stops at the first that fails."""
    run(["ip", "-batch", "-"], "\n".join(lines) + "\n")


def ip_tolerant(*lines: str) -> None:
    """Run lines of `ip`, going on past those that fail: for removing what may be gone already."""
    subprocess.run(
        ["ip", "-force", "-batch", "-"],
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def nft(script: str) -> None:
    """Load a ruleset as one transaction: all of it or nothing."""
    run(["nft", "-f", "-"], script)
