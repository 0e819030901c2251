"""A virtual machine's life as the API tells it: moto's Instance with real transitions."""

import contextlib
import copy
from typing import Any

from moto.ec2.models.instances import Instance, InstanceState, StateReason

from holdfast_sandbox.aws.errors import AwsError

STATES = {
    "pending": 0,
    "running": 16,
    "shutting-down": 32,
    "terminated": 48,
    "stopping": 64,
    "stopped": 80,
}
DYING = ("shutting-down", "terminated")
USER = ("Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown")


class Machine(Instance):
    """An EC2 instance that is only as alive as the machine behind it.

    moto makes it running at once and drops nothing with it; here the hypervisor's answers move
    it (rows H01-H03, H09, H10 of the hardening list).
    """

    ec2_backend: Any  # the strict Backend, which itself knows this class
    spot_instance_request_id: str | None = None
    running_since: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.launch_time = self.ec2_backend.world.stamp()
        self._enter("pending")

    def _enter(self, name: str, reason: tuple[str, str] | None = None) -> None:
        self._state = InstanceState(name, STATES[name])
        code, text = reason or ("", "")
        self.state_reason = StateReason(text, code) if reason else None  # type: ignore[assignment]
        stamp = self.ec2_backend.world.stamp().strftime("%Y-%m-%d %H:%M:%S GMT")
        user = code.startswith("Client.User")
        self._reason = f"User initiated ({stamp})" if user else text
        self.ec2_backend.announce(self, name)

    def terminate(self) -> InstanceState:
        """Begin to end it; twice is fine. Returns the state it had."""
        return self.end(USER)

    def end(self, reason: tuple[str, str]) -> InstanceState:
        """Begin to end it for a reason (code, text)."""
        before = copy.copy(self._state)
        if self.state not in DYING:
            self._enter("shutting-down", reason)
            self.ec2_backend.world.hypervisor.terminate(self.id)
        return before

    def finish(self, reason: tuple[str, str] | None = None) -> None:
        """The machine is gone: its link, address, volumes and profile go with it."""
        if self.state == "terminated":
            return
        held = self.state_reason
        final = reason or ((held.code, held.message) if held else USER)
        for nic in list(self.nics.values()):
            self.ec2_backend.release_nic(nic, delete=bool(nic.delete_on_termination))
        self.nics = {}
        self.teardown_defaults()
        association = self.ec2_backend.iam_instance_profile_associations.pop(self.id, None)
        if association is not None:
            self.iam_instance_profile = None
        self._enter("terminated", final)
        self.ec2_backend.world.state.deaths[self.id] = self.ec2_backend.world.now()

    def stop(self) -> InstanceState:
        """Begin to stop it."""
        before = copy.copy(self._state)
        if self.state in ("stopping", "stopped"):
            return before
        self._require("stopped", "running", "pending")
        if self.lifecycle == "spot":
            raise AwsError(
                "UnsupportedOperation",
                f"You can't stop the Spot Instance '{self.id}' because it is associated with a "
                "one-time Spot Instance request.",
            )
        self._enter("stopping", USER)
        self.ec2_backend.world.hypervisor.stop(self.id)
        return before

    def halted(self) -> None:
        """The machine has stopped: its automatic public address is freed."""
        if self.state == "stopping":
            for nic in self.nics.values():
                nic.stop()
            self._enter("stopped", USER)

    def start(self) -> InstanceState:
        """Begin to start it again."""
        before = copy.copy(self._state)
        if self.state in ("running", "pending"):
            return before
        self._require("started", "stopped")
        for nic in self.nics.values():
            nic.start()
        self._enter("pending")
        self.ec2_backend.world.hypervisor.start(self.id)
        return before

    def reboot(self) -> None:
        """Restart it in place."""
        self._require("rebooted", "running")
        self.ec2_backend.world.hypervisor.reboot(self.id)

    def _require(self, verb: str, *states: str) -> None:
        if self.state not in states:
            raise AwsError(
                "IncorrectInstanceState",
                f"The instance '{self.id}' is not in a state from which it can be {verb}.",
            )

    def run(self) -> None:
        """The machine has booted."""
        if self.state == "pending":
            self.running_since = self.ec2_backend.world.now()
            self._enter("running")

    def __del__(self) -> None:
        """moto frees addresses here; ours are freed when the machine is gone."""

    @property
    def private_ip(self) -> str | None:
        """Its private address, None once it is gone."""
        return self.nics[0].private_ip_address if 0 in self.nics else None

    @property
    def private_ip_address(self) -> str | None:
        """As `private_ip`."""
        return self.private_ip

    @property
    def public_ip(self) -> str | None:
        """Its public address now."""
        return self.nics[0].public_ip if 0 in self.nics else None

    @property
    def public_ip_address(self) -> str | None:
        """As `public_ip`."""
        return self.public_ip

    @property
    def private_dns_name(self) -> str:
        """`ip-10-0-0-5.eu-central-1.compute.internal`, empty once it is gone."""
        return super().private_dns_name if self.private_ip else ""

    @property
    def subnet_id(self) -> str | None:
        """Its subnet; a terminated machine is in none."""
        return None if self.state == "terminated" else super().subnet_id

    @property
    def vpc_id(self) -> str | None:
        """Its VPC; a terminated machine is in none."""
        with contextlib.suppress(KeyError):
            return None if self.state == "terminated" else super().vpc_id
        return None

    @property
    def instance_status(self) -> dict[str, Any]:
        """The reachability check: initializing, then ok, impaired by a fault."""
        return self._check()

    @property
    def system_status(self) -> dict[str, Any]:
        """As `instance_status`."""
        return self._check()

    def _check(self) -> dict[str, Any]:
        if self.state != "running":
            return {"Status": "not-applicable"}
        status, detail = self.ec2_backend.health(self)
        return {"Status": status, "Details": [{"Name": "reachability", "Status": detail}]}
