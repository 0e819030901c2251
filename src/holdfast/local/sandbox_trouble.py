"""holdfast sandbox fault, foreign-vm ...: what goes wrong at the sandbox's cloud, on request."""

from typing import Annotated, Any
from urllib.parse import quote

from cyclopts import Parameter

from holdfast.cli.exits import Usage
from holdfast.cli.output import Column, Format, note, show
from holdfast.local.sandbox_control import Control
from holdfast.local.sandbox_process import DEFAULT_STATE, State, running

FAULTS = (
    Column("ID", "id"),
    Column("KIND", "kind"),
    Column("TARGET", "target"),
    Column("BEGAN", "began"),
    Column("ENDED", "ended"),
    Column("OUTCOME", "outcome"),
)


def fault(  # noqa: PLR0913  (one parameter an option of the command)
    kind: str,
    target: str | None = None,
    /,
    *,
    seconds: float | None = None,
    count: int | None = None,
    set_: Annotated[list[str] | None, Parameter(name="--set")] = None,
    state: State = DEFAULT_STATE,
    output: Format = "name",
) -> None:
    """Make something go wrong; prints the fault's id.

    Parameters
    ----------
    kind:
        machine-kill, machine-freeze, machine-cut, spot-notice, api-outage, throttle,
        lost-response, lost-request, capacity, quota, permission, key-revoked, ...
    target:
        Instance id, for faults of a machine.
    seconds:
        It ends by itself after so long.
    count:
        It ends after so many calls.
    set_:
        Any other setting as KEY=VALUE: action=RunInstances, zone=eu-central-1a, value=4.
    output:
        How the result is shown.
    """
    body: dict[str, Any] = {"kind": kind}
    named = {"target": target, "seconds": seconds, "count": count}
    body |= {key: value for key, value in named.items() if value is not None}
    body |= dict(_setting(text) for text in set_ or ())
    show(Control(running(state)).post("/faults", body), output, FAULTS, name="id")


def faults(*, state: State = DEFAULT_STATE, output: Format = "table") -> None:
    """List faults, those that ended too.

    Parameters
    ----------
    output:
        How the result is shown.
    """
    show({"items": Control(running(state)).get("/faults")["faults"]}, output, FAULTS, name="id")


def end_fault(fault_id: str, /, *, state: State = DEFAULT_STATE) -> None:
    """End a fault before its time.

    Parameters
    ----------
    fault_id:
        As `fault` printed it.
    """
    ended = Control(running(state)).delete(f"/faults/{quote(fault_id, safe='')}")
    note(f"fault {fault_id} ended: {ended['outcome'] or 'done'}")


def foreign_vm(
    *,
    security_group: str | None = None,
    vpc: str | None = None,
    name: str = "foreign",
    state: State = DEFAULT_STATE,
    output: Format = "name",
) -> None:
    """Start a VM that is not Holdfast's in a network of Holdfast's; prints its id.

    Parameters
    ----------
    security_group:
        The group that it shall be in.
    vpc:
        Or the network that it shall be in.
    name:
        Its Name tag.
    output:
        How the result is shown.
    """
    body = {"security_group": security_group, "vpc": vpc, "name": name}
    given = {key: value for key, value in body.items() if value is not None}
    columns = (Column("ID", "id"), Column("VPC", "vpc"), Column("SUBNET", "subnet"))
    show(Control(running(state)).post("/foreign-vm", given), output, columns, name="id")


def end_foreign_vm(vm_id: str, /, *, state: State = DEFAULT_STATE) -> None:
    """End a VM that `foreign-vm` started.

    Parameters
    ----------
    vm_id:
        As `foreign-vm` printed it.
    """
    Control(running(state)).delete(f"/foreign-vm/{quote(vm_id, safe='')}")
    note(f"{vm_id} is being terminated")


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        message = f"--set {text!r}: expected KEY=VALUE"
        raise Usage(message)
    try:
        number = float(value)
    except ValueError:
        return key, value
    return key, int(number) if number.is_integer() else number
