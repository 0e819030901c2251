"""The command `serve`: one sandbox in the foreground, until SIGTERM or SIGINT."""

import logging
import secrets
import signal
import sys
import threading
from collections.abc import Mapping
from typing import Annotated

from cyclopts import Parameter

from holdfast_sandbox.host.ground import CannotBoot
from holdfast_sandbox.listening import PortInUse, Ports, Wanted, choose
from holdfast_sandbox.options import Options
from holdfast_sandbox.state import Kept, StateDirectory, StateInUse

WRONG_USE = 2  # exit code for what the caller can mend
LOOK_SECONDS = 1.0  # between looks for a signal that another thread took


def serve(options: Annotated[Options, Parameter(name="*")]) -> int:
    """Run the sandbox in the foreground; writes STATE/sandbox.json when it is ready.

    Exit code 0 after a clean stop, 2 when a port, the state or this host does not allow it.
    """
    level = logging.INFO if options.verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asked = _stop_asked()
    try:
        _run(options, asked)
    except (PortInUse, StateInUse, CannotBoot, ValueError) as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return WRONG_USE
    return 0


def _stop_asked() -> threading.Event:
    """Set by the first SIGTERM or SIGINT; the later ones change nothing, stopping takes seconds."""
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.set())
    return asked


def _run(options: Options, asked: threading.Event) -> None:
    directory = StateDirectory(options.state)
    with directory.owned():
        directory.withdraw()  # a ready file that is there now is a killed sandbox's
        kept = directory.kept(Kept(secrets.token_urlsafe(32), secrets.randbits(64)))
        if options.seed is not None:
            kept.seed = options.seed
        ports = _ports(options, kept.ports)

        from holdfast_sandbox.assembly import Sandbox  # noqa: PLC0415 - moto takes its time

        with Sandbox(options, directory, kept, ports) as sandbox:
            directory.announce(sandbox.ready())
            try:
                # The kernel may hand a signal to any thread, but Python handles it in this one,
                # when it wakes.
                while not asked.wait(LOOK_SECONDS):
                    pass
            finally:
                directory.withdraw()


def _ports(options: Options, before: Mapping[str, int]) -> Ports:
    return Ports(
        aws=choose(Wanted("--aws-port", options.aws_port, before.get("aws", 0))),
        control=choose(Wanted("--control-port", options.control_port, before.get("control", 0))),
        proxy=choose(Wanted("--proxy-port", options.proxy_port, before.get("proxy", 0))),
    )
