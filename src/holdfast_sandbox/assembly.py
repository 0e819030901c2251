"""The sandbox put together: emulator, machines, fabric, metadata and control API in one process.

    AWS API --> emulator --queue--> Host --> machines --plug--> fabric
                   |  ^                         |                 |
            pictures, state               booted, died     metadata requests
                   v                                              v
            Networks, Saver                                   Metadata

Parts are closed in the reverse order of their making, also when one of them can't be made.
"""

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self, TypeVar

import boto3
from botocore.config import Config

from holdfast_sandbox.aws.emulator import Emulator, Keys
from holdfast_sandbox.aws.settings import EmulatorSettings
from holdfast_sandbox.control import api
from holdfast_sandbox.control.bodies import CALLBACK_ADDRESS
from holdfast_sandbox.control.callbacks import Callbacks
from holdfast_sandbox.control.effects import SandboxEffects
from holdfast_sandbox.control.faults import Faults
from holdfast_sandbox.control.foreign import Strangers
from holdfast_sandbox.control.server import ControlServer
from holdfast_sandbox.host import ground
from holdfast_sandbox.host.guests import find_guest
from holdfast_sandbox.host.hypervisor import Host
from holdfast_sandbox.host.ledger import Ledger, credentials
from holdfast_sandbox.host.networks import Networks
from holdfast_sandbox.host.saver import Saver
from holdfast_sandbox.listening import PortInUse, Ports
from holdfast_sandbox.metadata.answers import Metadata
from holdfast_sandbox.metadata.identity import signer
from holdfast_sandbox.metadata.tokens import Tokens
from holdfast_sandbox.options import Options
from holdfast_sandbox.ports import MetadataRequest
from holdfast_sandbox.state import Kept, StateDirectory

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

log = logging.getLogger(__name__)

T = TypeVar("T")

HOST_RESTARTED = "host restarted"


class Sandbox:
    """A running sandbox. Raises PortInUse or CannotBoot, with nothing left behind."""

    def __init__(
        self, options: Options, directory: StateDirectory, kept: Kept, ports: Ports
    ) -> None:
        self._options = options
        self._directory = directory
        self._kept = kept
        self._began = time.monotonic()
        self._stranger: Keys | None = None
        self._stranger_lock = threading.Lock()
        with ExitStack() as undo:
            self._make(undo, ports)
            self._undo = undo.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def ready(self) -> dict[str, object]:
        """The ready file: how to reach everything."""
        return {
            "pid": os.getpid(),
            "aws": self._aws,
            "control": f"http://127.0.0.1:{self._control.port}",
            "control_token": self._kept.control_token,
            "proxy": self._ground.fabric.proxy_url or None,
            "pricing": self._aws,
            "identity_certificates": str(self._directory.certificate),
            "callback_address": str(CALLBACK_ADDRESS),
            "credentials": self._kept.credentials,
            "machines": self._options.machines,
        }

    def _make(self, undo: ExitStack, ports: Ports) -> None:
        self._make_cloud()
        self._make_ground(undo, ports.proxy)
        self._take_up()
        self._follow(undo)
        self._make_control(undo, ports.control)
        self._open(undo, ports.aws)
        self._remember()

    def _make_cloud(self) -> None:
        options = self._options
        self._host = Host(ground.workers(options))
        settings = EmulatorSettings(
            visibility=timedelta(seconds=options.visibility),
            spot_notice=timedelta(seconds=options.spot_notice),
        )
        self._cloud = Emulator(
            settings, self._host, lambda: datetime.now(UTC), self._kept.seed, self._changed
        )
        self._cloud.console_from(self._host.output)
        self._ledger = Ledger(self._cloud, self._changed)
        self._saver = Saver(self._cloud.snapshot, self._directory.snapshot)

    def _make_ground(self, undo: ExitStack, proxy_port: int) -> None:
        self._silent: set[str] = set()
        metadata = self._make_metadata()
        made = ground.make(self._options, proxy_port, metadata, self._host.ended, undo)
        self._ground = made
        self._networks = Networks(lambda: list(self._cloud.pictures().values()), made.fabric)
        self._host.connect(self._cloud, made, self._networks)

    def _make_metadata(self) -> Metadata:
        return Metadata(
            find_guest(self._cloud),
            signer(self._directory.path, time.time()),
            Tokens(secrets.token_bytes(32), time.time),
            _report_stranger,
            self._silent,
        )

    def _take_up(self) -> None:
        """The cloud of the last run, with what its end did to it; or a new one."""
        path = self._directory.snapshot
        if path.exists():
            try:
                self._cloud.restore(path.read_bytes())
            except Exception as error:
                message = f"{path} can't be taken up ({error}); remove it to start empty"
                raise ValueError(message) from error
            self._ledger.forget_faults()
            self._ledger.end_lost(HOST_RESTARTED)
        if not self._kept.credentials or not path.exists():
            account = self._cloud.world.settings.account
            self._kept.credentials = credentials(self._cloud.add_account(account))

    def _follow(self, undo: ExitStack) -> None:
        self._saver.start()
        undo.callback(self._saver.close)
        self._networks.start()
        undo.callback(self._networks.close)
        undo.callback(self._host.close)
        self._networks.changed()
        self._saver.changed()

    def _make_control(self, undo: ExitStack, port: int) -> None:
        machines, fabric = self._ground.machines, self._ground.fabric
        effects = SandboxEffects(self._ledger, machines, fabric, self._silent)
        faults = Faults(effects, lambda: datetime.now(UTC))
        undo.callback(faults.close)
        callbacks = Callbacks(fabric, self._keep_callbacks)
        callbacks.restore(dict(self._kept.callbacks))
        strangers = Strangers(
            self._connect_stranger, self._cloud.world.settings.regions, self._ledger.home_of_foreign
        )
        desk = api.Desk(
            self._ledger, machines, faults, callbacks, strangers, self._status, self._host.console
        )
        token = self._kept.control_token
        self._control = _listen(
            lambda: ControlServer(port, token, api.routes(desk)), "--control-port", port
        )
        undo.callback(self._control.close)

    def _open(self, undo: ExitStack, port: int) -> None:
        server = _listen(lambda: self._cloud.serve(port), "--aws-port", port)
        undo.callback(server.close)
        self._aws = server.url
        self._control.start()

    def _remember(self) -> None:
        proxy = self._ground.fabric.proxy_url.rpartition(":")[2]
        self._kept.ports = {
            "aws": int(self._aws.rpartition(":")[2]),
            "control": self._control.port,
            "proxy": int(proxy or self._kept.ports.get("proxy", 0)),
        }
        self._directory.keep(self._kept)

    def _changed(self) -> None:
        """The cloud's state changed: follow and save. Called without the cloud's lock."""
        self._host.changed()
        self._saver.changed()

    def _keep_callbacks(self, targets: dict[str, str]) -> None:
        self._kept.callbacks = targets
        self._directory.keep(self._kept)

    def _connect_stranger(self, region: str) -> "EC2Client":
        with self._stranger_lock:
            if self._stranger is None:
                self._stranger = self._ledger.stranger(self._cloud.world.settings.account)
        return boto3.client(
            "ec2",
            region_name=region,
            endpoint_url=self._aws,
            aws_access_key_id=self._stranger.access_key,
            aws_secret_access_key=self._stranger.secret_key,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=30),
        )

    def _status(self) -> dict[str, object]:
        clouds = self._ledger.states()
        return {
            "pid": os.getpid(),
            "uptime_seconds": round(time.monotonic() - self._began, 3),
            "machine_kind": self._options.machines,
            "machines": {
                one.id: {
                    "state": one.state,
                    "cloud": clouds.get(one.id, "terminated"),
                    "pid": one.pid,
                    "reason": one.reason,
                }
                for one in self._ground.machines.status().values()
            },
            "networks": self._networks.state(),
            "gaps": len(self._ledger.gaps()),
        }


def _listen(make: Callable[[], T], flag: str, port: int) -> T:
    try:
        return make()
    except OSError as error:
        raise PortInUse(f"port {port} ({flag}): {error.strerror}") from error


def _report_stranger(request: MetadataRequest) -> None:
    log.warning("metadata asked by unknown address %s in %s", request.source, request.network)
