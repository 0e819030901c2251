"""Makes faults real: on machines and links through the host, in the API by the cloud's table."""

from collections.abc import Callable, MutableSet
from contextlib import AbstractContextManager, suppress
from typing import Protocol

from holdfast_sandbox.aws.faults import Fault, FaultTable, Kind
from holdfast_sandbox.control.bodies import FaultBody, FaultKind
from holdfast_sandbox.control.faults import Undo
from holdfast_sandbox.control.server import Refused
from holdfast_sandbox.ports import Fabric, Machines, MachineState

IN_TABLE = {
    FaultKind.STATUS_IMPAIRED: Kind.IMPAIRED,
    FaultKind.API_OUTAGE: Kind.OUTAGE,
    FaultKind.THROTTLE: Kind.THROTTLE,
    FaultKind.LOST_RESPONSE: Kind.LOST_RESPONSE,
    FaultKind.LOST_REQUEST: Kind.LOST_REQUEST,
    FaultKind.DELAY: Kind.DELAY,
    FaultKind.ERROR: Kind.ERROR,
    FaultKind.STALE: Kind.STALE,
    FaultKind.VISIBILITY_DELAY: Kind.VISIBILITY,
    FaultKind.CAPACITY: Kind.CAPACITY,
    FaultKind.QUOTA: Kind.QUOTA,
    FaultKind.PERMISSION: Kind.DENY,
    FaultKind.IMAGE_GONE: Kind.IMAGE_GONE,
    FaultKind.CLOCK: Kind.CLOCK,
}
PATTERNS = ("account", "region", "service", "action", "subject", "type", "zone", "market")


class CloudFaults(Protocol):
    """What faults ask of the cloud emulator."""

    @property
    def lock(self) -> AbstractContextManager[object]:
        """The lock around the cloud's state."""
        ...

    @property
    def faults(self) -> FaultTable:
        """The table that every call is held against."""
        ...

    def notice_spot(self, vm_id: str) -> None:
        """Announce that a spot VM will be taken; LookupError, ValueError for one that is none."""
        ...

    def withdraw_spot(self, vm_id: str) -> bool:
        """Take the announcement back; False when it is too late."""
        ...

    def revoke(self, key: str, *, revoked: bool) -> None:
        """Refuse an access key, or accept it again; raises LookupError for an unknown one."""
        ...


class SandboxEffects:
    """The `Effects` of a running sandbox. `silent` are machines that get no metadata."""

    def __init__(
        self, cloud: CloudFaults, machines: Machines, fabric: Fabric, silent: MutableSet[str]
    ) -> None:
        self._cloud = cloud
        self._machines = machines
        self._fabric = fabric
        self._silent = silent
        self._special: dict[FaultKind, Callable[[str], Undo]] = {
            FaultKind.MACHINE_KILL: self._kill,
            FaultKind.MACHINE_FREEZE: self._freeze,
            FaultKind.MACHINE_CUT: self._cut,
            FaultKind.METADATA_OUTAGE: self._silence,
            FaultKind.SPOT_NOTICE: self._notice,
        }

    def begin(self, body: FaultBody) -> Undo:
        """See `Effects`."""
        if body.kind is FaultKind.KEY_REVOKED:
            return self._revoke(str(body.key))
        target = self._living(body.target) if body.target is not None else ""
        if special := self._special.get(body.kind):
            return special(target)
        return self._in_table(table_entry(body))

    def _living(self, target: str) -> str:
        status = self._machines.status().get(target)
        if status is None or status.state is MachineState.GONE:
            running = [m for m, s in self._machines.status().items() if s.state != "gone"]
            there = ", ".join(sorted(running)) or "none"
            raise Refused(404, f"no running machine {target}; there are: {there}")
        return target

    def _kill(self, target: str) -> Undo:
        self._machines.kill(target)
        return lambda: "nothing to undo: the machine has ended, as one whose host failed"

    def _freeze(self, target: str) -> Undo:
        # A frozen machine's kernel would still answer: a dead host needs its link cut as well.
        self._machines.freeze(target)
        self._fabric.cut(target, down=True)

        def undo() -> str:
            return self._on_living(target, lambda: self._thaw(target))

        return undo

    def _thaw(self, target: str) -> None:
        self._machines.thaw(target)
        self._fabric.cut(target, down=False)

    def _cut(self, target: str) -> Undo:
        self._fabric.cut(target, down=True)
        return lambda: self._on_living(target, lambda: self._fabric.cut(target, down=False))

    def _on_living(self, target: str, act: Callable[[], None]) -> str:
        try:
            self._living(target)
        except Refused:
            return "nothing to undo: the machine is gone"
        act()
        return "undone"

    def _silence(self, target: str) -> Undo:
        self._silent.add(target)

        def undo() -> str:
            self._silent.discard(target)
            return "undone"

        return undo

    def _notice(self, target: str) -> Undo:
        try:
            self._cloud.notice_spot(target)
        except (LookupError, ValueError) as error:
            raise Refused(400, str(error)) from error

        def undo() -> str:
            taken_back = self._cloud.withdraw_spot(target)
            return "undone" if taken_back else "too late: the machine has been taken"

        return undo

    def _revoke(self, key: str) -> Undo:
        try:
            self._cloud.revoke(key, revoked=True)
        except LookupError as error:
            raise Refused(404, f"no access key {key}") from error

        def undo() -> str:
            with suppress(LookupError):
                self._cloud.revoke(key, revoked=False)
            return "undone"

        return undo

    def _in_table(self, fault: Fault) -> Undo:
        name = self._cloud.faults.add(fault)

        def undo() -> str:
            return "undone" if self._cloud.faults.remove(name) else "it had ended by its count"

        return undo


def table_entry(body: FaultBody) -> Fault:
    """The cloud's own wording of a fault. Pure."""
    patterns = {name: getattr(body, name) or "*" for name in PATTERNS}
    if body.target is not None or body.image is not None:
        patterns["subject"] = body.target or body.image
    if body.kind is FaultKind.QUOTA:
        patterns["type"] = body.code  # a quota is known to the table by its code
    amount = body.delay_seconds or body.ahead_seconds or body.value or 0
    return Fault(
        IN_TABLE[body.kind],
        **patterns,
        code=body.code or "",
        message=body.message or "by request of the sandbox's operator",
        status=body.status or 500,
        value=amount,
        count=body.count,
    )
